"""Retrieval: embeddings of texts, and exact search for the nearest of them."""
