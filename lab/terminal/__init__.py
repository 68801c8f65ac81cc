"""The terminal: live view, tables, chat and the summary of a run."""
