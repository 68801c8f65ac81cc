"""Security: keys, identities and what each role may publish and subscribe to."""
