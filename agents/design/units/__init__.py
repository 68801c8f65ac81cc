"""The tables of units: one file for each part of a mixer, and what a unit, an axis and a rule are."""
