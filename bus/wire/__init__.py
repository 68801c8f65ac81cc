"""The wire format: envelopes, subjects, streams, derived ids, and the documents generated from them."""
