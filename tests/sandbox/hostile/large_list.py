# expected: limit:memory
"""Grows a list without end."""

blocks = []
while True:
    blocks.append(bytearray(1 << 20))
