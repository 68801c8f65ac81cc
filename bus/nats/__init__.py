"""NATS JetStream: the transport, the embedded server, provisioning and service discovery."""
