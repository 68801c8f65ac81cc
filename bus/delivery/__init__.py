"""Delivery: roles as pure decisions, the actor loop that runs them, transports, dead letters and replay."""
