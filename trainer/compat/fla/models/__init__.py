"""What layers take from fla's models."""

from trainer.compat.fla.models.utils import Cache

__all__ = ["Cache"]
