"""State: the rows of each campaign and experiment, indexed so that any earlier position can be asked about."""
