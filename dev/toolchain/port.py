"""Ports for the servers that the tests start."""

import socket


def free_port(host: str = "127.0.0.1", wanted: int = 0) -> int:
    """A TCP port of that address at which nobody listened just now: the wanted one, if nobody does there."""
    with socket.socket() as probe:
        # As servers do it, so that a port is free again as soon as its server has ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            return free_port(host)
        return int(probe.getsockname()[1])
