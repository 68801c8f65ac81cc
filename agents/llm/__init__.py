"""Language models: the client, the prompts and the schemas of typed answers."""
