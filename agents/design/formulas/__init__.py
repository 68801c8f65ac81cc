"""Formula units: small typed expressions that take a unit's place on an axis, so a search is not bound to known units.

| module | holds |
| --- | --- |
| `expression` | the tree, its text, and the reading of that text |
| `openings` | the axes that a formula may fill: its leaves, its shape and its range |
| `ranges` | shape, range and growth of a tree, and the check against an opening |
| `values` | a tree's value on sampled sequences, and its fingerprint |
| `simplify` | the canonical form |
| `absorbing` | factors that training absorbs |
| `known` | the named units that are formulas too |
| `keys` | a formula as the key of a unit: text and fingerprint |
| `code`, `words` | a tree as lines of torch, and as a formula for people |
| `unit` | the unit of a key, as the grammar's tables have them |
| `trees` | genetic operators on trees: growth, subtree, constants, hoist, crossover |
| `breeding` | the same operators on designs |

Nothing here imports torch or numpy.
"""
