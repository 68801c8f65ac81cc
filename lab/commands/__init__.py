"""The commands, a file for each kind of use; each registers its own with the application."""
