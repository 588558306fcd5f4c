"""What MLLP connections ask of the socket below them."""

from __future__ import annotations

import socket

KEEPALIVE_SECONDS = 60


def keep_alive(sock: socket.socket) -> None:
    """Finds half-open peers within minutes, and answers without Nagle's delay."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEPALIVE_SECONDS), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
