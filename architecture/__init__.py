"""What an architecture file may be: accepted forms, argument and class names, imports and limits.

An architecture file reaches the lab from a model or a stranger. Agents check its source text against these facts, and
the trainer builds its class by them inside the sandbox. This package imports the standard library only.

| module | holds |
| --- | --- |
| `forms` | the two accepted forms, as predicates over class names and argument names |
| `names` | the usual names of arguments and of classes |
| `imports` | what a file may import, and how its import statements are read |
| `limits` | how long a source may be |
"""
