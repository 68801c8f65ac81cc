"""Layers written for flash-linear-attention run as they are: stand-ins for the names they import, and their form."""
