"""The bus: vocabulary, transports, the actor loop and the embedded server. It imports no other room."""
