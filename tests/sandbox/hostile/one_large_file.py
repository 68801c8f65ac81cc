# expected: limit:disk
"""Grows one file without end."""

with open('file', 'wb') as file:
    while True:
        file.write(bytes(1 << 20))
