"""SQL over what memory knows: the tables that a person may read, and a process of its own that reads them."""
