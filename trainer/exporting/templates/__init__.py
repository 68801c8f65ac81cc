"""Files that an export copies: the same for every mixer. They take it from `mixer.py`, which an export replaces."""
