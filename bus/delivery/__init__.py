"""Delivery: roles as pure decisions, the actor loop around them, transports, dead letters and replay."""
