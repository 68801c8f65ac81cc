"""Search: which experiments a new one starts from, and how a new design is bred from them."""
