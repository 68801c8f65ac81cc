"""The vocabulary: every event, query and question that crosses the bus. Imports nothing else of the project."""
