"""What a server says in plain words, beside the protocol; paramiko gives these to its log alone.

Reaches into privates of paramiko (held against 4.0.0 and 5.1.0), which an upgrade may rename:
`Packetizer._read_timeout`, which reads the server's first lines, `Transport._parse_disconnect`,
`AuthHandler.banner`, and `AuthHandler._request_auth` and `_parse_service_accept`, between which a server says
that it may be asked.
"""

import threading
from collections.abc import Callable
from typing import Any

from paramiko import Message, PKey, SSHException, Transport  # noqa: TID251
from paramiko.auth_handler import AuthHandler  # noqa: TID251
from paramiko.common import MSG_SERVICE_ACCEPT  # noqa: TID251

from nodeprov.redaction import redacted

LARGEST_GREETING_BYTES = 64 << 10
"""The most that a server may print before it names its version of SSH."""
_READ_CHARACTERS, _SHOWN_LINES, _SHOWN_CHARACTERS = 1 << 14, 3, 300


class Listening(Transport):
    """A connection that keeps what the server says before its greeting (RFC 4253, 4.2), and as it hangs up (11.1).

    Args:
        sock: what it runs over.
        on_first: called, in another thread, when the server has sent something, before algorithms are offered.
    """

    def __init__(self, sock: Any, on_first: Callable[[Transport], None], **options: Any) -> None:
        super().__init__(sock, **options)
        self.farewell = ""
        """What it said as it hung up."""
        self.has_hung_up = False
        """Whether it has closed the connection before its greeting was read."""
        self._on_first = on_first
        self._received = bytearray()
        self._read: Callable[[float], bytes] = self.packetizer._read_timeout  # type: ignore[attr-defined]
        self.packetizer._read_timeout = self._limited  # type: ignore[attr-defined]

    @property
    def preface(self) -> str:
        """What it said before its greeting, or in place of one."""
        return shown(f"\n{self._received.decode(errors='backslashreplace')}".partition("\nSSH-")[0])

    @property
    def banner(self) -> str:
        """What it shows those who log in (RFC 4252, 5.4)."""
        said = getattr(self.auth_handler, "banner", None) or b""
        return shown(said.decode(errors="backslashreplace"))

    def _limited(self, timeout: float) -> bytes:
        try:
            chunk = self._read(timeout)
        except (EOFError, ConnectionError):
            self.has_hung_up = True
            raise
        if not self._received:
            self._on_first(self)
        self._received += chunk
        if len(self._received) > LARGEST_GREETING_BYTES:
            raise SSHException(f": it greets with more than {LARGEST_GREETING_BYTES >> 10} KiB")
        return chunk

    def _parse_disconnect(self, message: Message) -> None:
        message.get_int()
        self.farewell = shown(message.get_string().decode(errors="backslashreplace"))


class _Asking(AuthHandler):
    """Asks to be let in without waiting to hear that it may ask (RFC 4253, 10); `is_first` is to ask that too.

    paramiko waits for that, and before each key anew: a round trip each time. Its AuthOnlyHandler does not, but
    misses an answer that comes before it has begun to wait for one.
    """

    def __init__(self, transport: Transport, *, is_first: bool) -> None:
        super().__init__(transport)
        self._is_first = is_first

    @property
    def _client_handler_table(self) -> dict[int, Any]:
        table = super()._client_handler_table  # type: ignore[misc]
        return {**table, MSG_SERVICE_ACCEPT: lambda _message: None}

    def _request_auth(self) -> None:
        if self._is_first:
            super()._request_auth()  # type: ignore[misc]
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)  # type: ignore[attr-defined]  # which sends the request


def let_in(transport: Transport, user: str, key: PKey | None = None) -> list[str]:
    """Ask to be let in: without a key, which is the first question, or by a key; return what is wanted besides.

    Raises what paramiko's Transport raises in auth_none and auth_publickey.
    """
    answered = threading.Event()
    handler = transport.auth_handler = _Asking(transport, is_first=key is None)
    if key is None:
        handler.auth_none(user, answered)
    else:
        handler.auth_publickey(user, key, answered)
    more: list[str] = handler.wait_for_response(answered)
    return more


def shown(text: str) -> str:
    """Shorten what a server says for a message, without secrets that it may quote."""
    lines = [line.strip() for line in redacted(text[:_READ_CHARACTERS]).splitlines() if line.strip()]
    short = "; ".join(lines[:_SHOWN_LINES])[:_SHOWN_CHARACTERS]
    return f"{short}..." if len(lines) > _SHOWN_LINES or len("; ".join(lines)) > len(short) else short


def quoted(what: str, text: str) -> str:
    """Say what a server says; nothing if it says nothing."""
    return f'{what} "{text}"' if text else ""
