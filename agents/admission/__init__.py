"""Admission: the static check of an architecture's source before anything runs it."""
