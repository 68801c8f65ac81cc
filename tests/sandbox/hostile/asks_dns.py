# expected: denied:net
"""Looks a name up."""

import socket

socket.getaddrinfo('example.org', 80)
