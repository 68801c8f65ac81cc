"""Meta-search: programs that search are themselves searched, by typed operators on their parts.

A *genome* (`genome`) lists the parts of a researcher program: how parents are chosen, from which population, by which
operators, with which mates, how the budget is split, and how many children compete. `variation` draws and varies
genomes, `rendering` writes one as a readable Python file, `seeds` has the built-in policies as genomes, and `planning`
decides what a meta-campaign does next. All of it is pure; the lab runs and scores the programs.
"""
