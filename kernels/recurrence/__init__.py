"""Linear recurrences over a matrix state: the arguments, the reference loop, and three faster backends."""
