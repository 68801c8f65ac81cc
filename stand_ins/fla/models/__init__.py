"""The names of fla's models that layers import."""

from stand_ins.fla.models.utils import Cache

__all__ = ["Cache"]
