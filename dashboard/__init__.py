"""What a person sees: the report, one HTML page with its pictures drawn in."""
