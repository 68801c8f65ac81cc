"""Admission: static checks of a candidate's source before anything runs it."""
