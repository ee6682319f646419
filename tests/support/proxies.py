"""A SOCKS 5 proxy on loopback, which resolves every name to one server: RFC 1928, without a login."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NAME = 3


class SocksProxy:
    """Connects whoever asks to one port of this machine, and notes down which names were asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"socks5h://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):  # it is closed in the end
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _connect(self, client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rb") as asked:
            _version, count = asked.read(2)
            asked.read(count)
            client.sendall(b"\x05\x00")
            kind = asked.read(4)[3]
            assert kind == _NAME
            self.asked.append(asked.read(asked.read(1)[0]).decode())
            asked.read(2)
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                client.sendall(b"\x05\x00\x00\x01" + bytes(6))
                threading.Thread(target=_relay, args=(server, client), daemon=True).start()
                _relay(client, server)


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def socks_proxy(port: int) -> Iterator[SocksProxy]:
    proxy = SocksProxy(port)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
