"""The documentation's generated pages: the reference is written from the declarations when the pages are built."""
