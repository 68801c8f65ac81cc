"""The bus: the vocabulary, the transports, the actor loop and the embedded server. Imports no other room."""
