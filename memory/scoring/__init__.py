"""Scoring: what the measured objectives of a campaign say of its designs and units, once their noise is allowed for."""
