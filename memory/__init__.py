"""What the lab knows: a projection of the log that can be deleted and rebuilt, and the answers to every query.

- `rows`, `projections`: the rows that memory stores of each event, and the tables they are stored in
- `store`: the DuckDB file of those rows, with the position of the log that they reach up to
- `state`: the rows in memory, indexed so that any earlier position can be asked about
- `views`: records of campaigns and experiments as of a position
- `queries`: the answer to each query
- `retrieval`: embeddings of texts, and search for the nearest
- `cognition`: published knowledge as structured entries
- `service`: the process that follows the log and answers queries
- `gc_tuning`: keeps Python's garbage collector away from the rows
"""
