# expected: denied:net
"""Resolves a host name."""

import socket

socket.getaddrinfo('example.org', 80)
