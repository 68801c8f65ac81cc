# expected: denied:net
"""Opens a socket in the file system."""

import socket

socket.socket(socket.AF_UNIX).bind('here')
