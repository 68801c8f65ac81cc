"""The report: one self-contained HTML page about a campaign, and the pictures in it."""
