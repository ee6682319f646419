"""The sessions of one connection, of which a server may allow few at a time (MaxSessions in sshd_config(5))."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from paramiko import Channel, ChannelException, SSHException, Transport  # noqa: TID251

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh.again import trying

if TYPE_CHECKING:
    import tenacity

LAG_SECONDS = 10.0
"""How long a server may go on counting a session of ours that has ended.

OpenSSH lets go of one when its process has been waited for (session_close_by_pid in session.c), a moment after we
have seen its end; a command that took too long is killed by the node's own timeout(1) within 5 s.
"""
_UNKNOWN_KIND = 3  # SSH_OPEN_UNKNOWN_CHANNEL_TYPE in RFC 4254, 5.1


class Sessions:
    """Opens sessions, and waits for its turn where the server allows no more; for use by several threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._changing = threading.Lock()
        self._working: list[Channel] = []
        self._held: list[Channel] = []

    def open(self, timeout_seconds: float, *, held: bool = False) -> Channel:
        """Open a session; `held` if it stays open while others come and go.

        Raises:
            NodeprovError: if the server allows too few.
            SSHException, EOFError: if the connection is gone, or if it does not answer in time.
        """

        def with_pauses() -> tenacity.Retrying:
            import tenacity

            return tenacity.Retrying(
                retry=tenacity.retry_if_exception(self._is_refusal),
                wait=tenacity.wait_random_exponential(multiplier=0.02, max=0.2),
                stop=self._until_nothing_can_end(),
                reraise=True,
            )

        try:
            channel = trying(
                lambda: self._transport.open_session(timeout=timeout_seconds), self._is_refusal, with_pauses
            )
        except SSHException as error:
            if self._is_refusal(error):
                raise self._too_few(error) from None
            raise
        with self._changing:
            (self._held if held else self._working).append(channel)
        return channel

    def _is_refusal(self, error: BaseException) -> bool:
        """Tell whether the server has refused one session more, and not the connection or sessions as such.

        paramiko keeps one exception for all threads, so that the second of two that are refused has no reason.
        """
        if not self._transport.is_active():
            return False
        if isinstance(error, ChannelException):
            return error.code != _UNKNOWN_KIND
        return isinstance(error, SSHException) and "Unable to open channel" in str(error)

    def _until_nothing_can_end(self) -> Callable[[tenacity.RetryCallState], bool]:
        """Stop some time after the last command of ours has ended: it was the last that could make room."""
        since = time.monotonic()

        def stop(_: tenacity.RetryCallState) -> bool:
            nonlocal since
            now = time.monotonic()
            if self._alive(self._working):
                since = now
            return now - since > LAG_SECONDS

        return stop

    def _alive(self, channels: list[Channel]) -> int:
        with self._changing:
            channels[:] = [channel for channel in channels if not channel.closed]
            return len(channels)

    def _too_few(self, error: SSHException) -> NodeprovError:
        held = self._alive(self._held)
        if held:
            return NodeprovError(
                f"the server allows {_sessions(held)} on a connection, and {held + 1} are needed: one keeps the "
                "node's lock while others work",
                f"set MaxSessions {held + 1} or more in its sshd_config (10 is the default), and reload sshd",
            )
        return NodeprovError(
            f"the server opens no session: {getattr(error, 'text', error)}",
            "may this user run commands there? look for MaxSessions in its sshd_config; 2 or more are needed",
        )


def _sessions(number: int) -> str:
    return "1 session" if number == 1 else f"{number} sessions"
