"""The history of a campaign: the log folded into one row per experiment and one entry per event, as of any event."""
