# expected: limit:output
"""Prints without end."""

while True:
    print('spam and more spam')
