"""Repair without a model: rules for the common faults of mixers, and the design grammar if the design is known."""

from agents.repair.repairer import Repair, repair

__all__ = ["Repair", "repair"]
