# expected: error
"""Recurses without end."""

def down():
    down()


down()
