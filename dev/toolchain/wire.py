"""A wire to a server that keeps what clients sent over it."""

import contextlib
import select
import socket
import threading


class Wire:
    """Listens on every address of this machine, passes on to 127.0.0.1, and records the client's side."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("0.0.0.0", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def take(self) -> list[bytes]:
        """What each connection since the last time has sent."""
        taken, self._connections = self._connections, []
        return [bytes(sent) for sent in taken]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                sent = bytearray()
                self._connections.append(sent)
                threading.Thread(target=self._pass_on, args=(client, sent), daemon=True).start()

    def _pass_on(self, client: socket.socket, sent: bytearray) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for source, sink in ((client, server), (server, client)):
                    if source in readable:
                        data = source.recv(65536)
                        if not data:
                            return
                        if source is client:
                            sent += data
                        sink.sendall(data)
