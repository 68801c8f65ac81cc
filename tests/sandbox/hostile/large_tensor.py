# expected: limit:memory
"""Asks for 100 GB in one tensor."""

import torch

torch.zeros(25 * 10**9)
