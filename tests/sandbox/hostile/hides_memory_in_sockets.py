# expected: denied:syscall
"""Twenty children fill pairs of sockets with bytes that no process table shows."""

import os
import socket

pairs = [socket.socketpair() for _ in range(26)]
for _ in range(20):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(26)]
        break
for pair in pairs:
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
        end.setblocking(False)
        try:
            while True:
                end.send(bytes(1 << 16))
        except BlockingIOError:
            pass
while True:
    pass
