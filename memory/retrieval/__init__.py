"""Retrieval: embeddings of texts and exact nearest-neighbour search over them."""
