"""What layers take from fla's models."""

from stand_ins.fla.models.utils import Cache

__all__ = ["Cache"]
