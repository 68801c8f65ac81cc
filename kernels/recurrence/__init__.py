"""Linear recurrences over a matrix state: the arguments, the reference loop, and the faster forms of it."""
