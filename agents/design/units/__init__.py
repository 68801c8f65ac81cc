"""The tables of units, one file for each part of a mixer, and the classes Unit, Axis and Rule."""
