# expected: limit:disk
"""Fills its scratch folder."""

for number in range(1000):
    with open(f"file{number}", "wb") as file:
        file.write(bytes(8 << 20))
