"""What the lab knows: a projection of the log that can be deleted and rebuilt, and the answers to every query.

- `projections`: what is kept of each event, as rows of append-only tables
- `store`: the DuckDB file those rows live in, with the log position they reach up to
- `ledger`, `course`, `life`: the rows in memory, indexed so that any earlier position can be asked about
- `embedding`, `vectors`, `nearest`: what ideas mean, and which earlier ones they resemble
- `garbage`: when Python looks for garbage among what is kept for good
- `cognition`: published knowledge as structured entries
- `answers`: pure reads that turn a query into its reply
- `service`: the process that follows the log and answers
"""
