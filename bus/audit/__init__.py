"""Audit: the hash chain over the log, and the log as a file."""
