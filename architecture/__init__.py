"""What an architecture file may be: accepted forms, names and imports. Standard library only."""
