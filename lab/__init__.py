"""The composition root: command line, settings, starting and supervising processes."""
