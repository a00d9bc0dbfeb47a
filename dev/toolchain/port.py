"""Ports for the servers that the tests start."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of that address at which nobody listened just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
