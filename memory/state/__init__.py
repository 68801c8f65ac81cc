"""State: what the log says of each campaign and experiment, indexed by position."""
