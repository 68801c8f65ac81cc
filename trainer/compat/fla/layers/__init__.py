"""What fla's layers share."""
