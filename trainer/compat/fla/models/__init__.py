"""What layers take from fla's models."""
