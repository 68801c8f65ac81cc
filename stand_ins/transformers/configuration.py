"""A model's configuration: attributes by name."""

from typing import Any


class PretrainedConfig:
    """An object with the attributes that it is constructed with."""

    model_type = ""

    def __init__(self, **attributes: Any) -> None:
        """Set the attributes."""
        for name, value in attributes.items():
            setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes by name."""
        return dict(vars(self))
