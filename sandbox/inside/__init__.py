"""The inner side of the sandbox: the zygote, a run's confinement, and the report of its faults.

Everything here is executed inside the sandbox. Of the project it can import this package and the packages that a jail
names, nothing else.
"""
