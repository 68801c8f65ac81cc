"""Views: the records of a campaign or an experiment as of a position of the log, made from the state."""
