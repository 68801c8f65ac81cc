"""A model's configuration: what it is given, by name."""

from typing import Any


class PretrainedConfig:
    """Attributes by name."""

    model_type = ""

    def __init__(self, **given: Any) -> None:
        """Keep what is given."""
        for name, value in given.items():
            setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return dict(vars(self))
