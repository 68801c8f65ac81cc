# expected: limit:memory
"""Grows a list without end."""

kept = []
while True:
    kept.append(bytearray(1 << 20))
