"""Clients of a lab: connections, sessions that read, and human input."""
