# expected: limit:disk
"""Fills the shared memory folder."""

with open('/dev/shm/file', 'wb') as file:
    while True:
        file.write(bytes(1 << 20))
