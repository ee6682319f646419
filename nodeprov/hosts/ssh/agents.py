"""The agent that holds keys: at the socket that the environment or IdentityAgent names."""

import os
import socket
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from paramiko import SSHException  # noqa: TID251
from paramiko.agent import AgentKey, AgentSSH  # noqa: TID251

from nodeprov.errors import NodeprovError


class OpenAgent(AgentSSH):
    """An agent, and its keys; they sign for as long as it is open.

    paramiko's own Agent knows the socket of the environment alone.
    """

    def __init__(self, path: str) -> None:
        """Ask it for its keys; raise OSError or SSHException if that cannot be done."""
        super().__init__()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
            self._connect(connection)  # type: ignore[attr-defined]  # a private that paramiko's own agents use
        except BaseException:
            connection.close()
            raise

    @property
    def keys(self) -> tuple[AgentKey, ...]:
        """Its keys and certificates, in its order."""
        return self.get_keys()

    def close(self) -> None:
        """Let go of it."""
        self._close()  # type: ignore[attr-defined]


def socket_of(agent: str | None) -> str:
    """Find the socket of an agent as Target names it; empty if there is none."""
    if agent is None:
        return ""
    return os.environ.get(agent[1:], "") if agent.startswith("$") else agent


def opened(path: str, seconds: float) -> OpenAgent:
    """Ask an agent for its keys.

    Raises:
        OSError, SSHException: if it is not there, or is no agent.
        NodeprovError: if it says nothing, as a forwarded one whose end is gone.
    """
    answer: Future[OpenAgent] = Future()

    def ask() -> None:
        try:
            answer.set_result(OpenAgent(path))
        except BaseException as error:  # whatever it is, it is raised below
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(seconds)
    except FutureTimeout:
        hint = (
            f"try it: SSH_AUTH_SOCK={path} ssh-add -l; or do without: unset SSH_AUTH_SOCK, or IdentityAgent none"
        )
        raise NodeprovError(f"the agent at {path} does not answer", hint) from None


def trouble(path: str, error: OSError | SSHException) -> str:
    """Say why an agent could not be asked."""
    return f"the agent at {path} cannot be asked: {getattr(error, 'strerror', None) or error}"
