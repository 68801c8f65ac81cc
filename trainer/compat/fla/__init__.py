"""A stand-in for the part of flash-linear-attention that layer files import. Same names and shapes, plain torch."""
