# expected: limit:disk
"""Makes a million empty files."""

for number in range(10**6):
    open(f'file{number}', 'w').close()
