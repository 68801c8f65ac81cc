"""The runtime: campaigns, services and the supervisor that keeps processes alive."""
