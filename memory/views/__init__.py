"""Views: records as of a position of the log, built from the state."""
