"""How a claim climbs: promotions (the director), their runs (the engineer), and verdicts (the analyst)."""
