"""The keys that we log in with, in the order in which they are tried."""

import base64
import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import paramiko  # noqa: TID251

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh.passwords import Passwords
from nodeprov.hosts.ssh.route import Target

_KINDS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_OPENSSH_MAGIC = b"openssh-key-v1\0"


class Login:
    """Logs in to one machine with the user's keys; paramiko calls it when the host's key is proven.

    First the agent's keys that are configured for the machine, then key files, then what else the agent has,
    and at last the files that a person must unlock: nobody is asked for what was not needed.
    """

    def __init__(self, target: Target, passwords: Passwords, *, connect_timeout_seconds: int) -> None:
        self._target = target
        self._passwords = passwords
        self._connect_timeout_seconds = connect_timeout_seconds
        self._tried: list[str] = []
        self._locked: list[str] = []

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Log in, or raise NodeprovError."""
        agent = _agent(self._connect_timeout_seconds) if self._target.agent else None
        try:
            for said, key in self._keys(agent):
                self._tried.append(said)
                if self._accepts(transport, key):
                    return
        finally:
            if agent:
                agent.close()
        raise self._refused()

    def _accepts(self, transport: paramiko.Transport, key: paramiko.PKey) -> bool:
        try:
            more = transport.auth_publickey(self._target.user, key)
        except paramiko.BadAuthenticationType as error:
            raise NodeprovError(
                f"it lets nobody in by a key as {self._target.user}, only by {', '.join(error.allowed_types)}",
                "allow PubkeyAuthentication in its sshd_config",
            ) from None
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error).lower():
                seconds = self._connect_timeout_seconds
                raise NodeprovError(
                    f"the login as {self._target.user} was not answered within {seconds} s",
                    "if it is only slow, raise [ssh] connect_timeout_seconds in the inventory",
                ) from None
            if transport.is_active():
                return False
            raise self._hung_up() from None
        except (paramiko.SSHException, EOFError):  # an agent that cannot sign with it, or a server that hung up
            if transport.is_active():
                return False
            raise self._hung_up() from None
        if more:
            raise NodeprovError(
                f"its key is not enough for {self._target.user}: the server wants {', '.join(more)} too",
                "let this user in by a key alone",
            )
        return True

    def _keys(self, agent: paramiko.Agent | None) -> Iterator[tuple[str, paramiko.PKey]]:
        files = [path for path in self._target.identity_files if Path(path).is_file()]
        held = {key.asbytes(): key for key in agent.get_keys()} if agent else {}
        in_agent = [blob for blob in map(public_part, files) if blob in held]
        for blob in in_agent:
            yield _described(held[blob]), held[blob]
        locked = []
        for path in files:
            if public_part(path) in in_agent:
                continue
            try:
                yield from ((path, key) for key in _loaded(path))
            except paramiko.PasswordRequiredException:
                locked.append(path)
        if not self._target.identities_only:
            yield from ((_described(key), key) for blob, key in held.items() if blob not in in_agent)
        for path in locked:
            yield from self._unlocked(path)

    def _unlocked(self, path: str) -> Iterator[tuple[str, paramiko.PKey]]:
        passphrase = self._passwords.passphrase(path)
        if passphrase is None:
            self._locked.append(path)
            return
        keys = list(_loaded(path, passphrase))
        if not keys:
            raise NodeprovError(f"the passphrase does not open {path}", f"try it: ssh-keygen -y -f {path}")
        yield from ((path, key) for key in keys)

    def _refused(self) -> NodeprovError:
        user = self._target.user
        if self._locked:
            locked = ", ".join(self._locked)
            return NodeprovError(
                f"not let in as {user}: {locked} needs its passphrase, and there is no terminal to ask on",
                f"unlock it before: ssh-add {self._locked[0]}",
            )
        hint = "set user and identity_file in the inventory, or start an agent (ssh-add)"
        if not self._tried:
            return NodeprovError(f"not let in as {user}: there is no key to log in with", hint)
        return NodeprovError(f"not let in as {user} with {', '.join(self._tried)}", hint)

    def _hung_up(self) -> NodeprovError:
        if len(self._tried) <= 1:
            return NodeprovError(
                f"it hung up while {self._target.user} logged in with {', '.join(self._tried) or 'no key'}",
                "try again; if it stays so, its log says why (journalctl -u ssh), such as a MaxAuthTries of 1",
            )
        return NodeprovError(
            f"it hung up when {len(self._tried)} keys had been tried as {self._target.user}",
            "name the right one (identity_file in the inventory, or IdentityFile), and set IdentitiesOnly yes",
        )


def public_part(path: str) -> bytes:
    """Read the public half of a key that may be locked: from its .pub, or from OpenSSH's own format."""
    for candidate in (f"{path}.pub", path):
        with contextlib.suppress(OSError, ValueError, IndexError):
            return base64.b64decode(Path(candidate).read_text().split()[1], validate=True)
    with contextlib.suppress(OSError, ValueError):
        lines = Path(path).read_text().strip().splitlines()
        body = base64.b64decode("".join(lines[1:-1]))
        if body.startswith(_OPENSSH_MAGIC):
            message = paramiko.Message(body[len(_OPENSSH_MAGIC) :])
            for _ in ("cipher", "derivation", "its options"):
                message.get_string()
            message.get_int()
            return message.get_string()
    return b""


def _agent(seconds: float) -> paramiko.Agent:
    """Ask the agent for its keys; raise NodeprovError if it does not answer, as a forwarded one that is gone."""
    answer: Future[paramiko.Agent] = Future()

    def ask() -> None:
        try:
            answer.set_result(paramiko.Agent())
        except BaseException as error:  # whatever it is, it is raised below
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        place = os.environ.get("SSH_AUTH_SOCK", "")
        hint = "try it: ssh-add -l; or do without: unset SSH_AUTH_SOCK"
        raise NodeprovError(f"the agent at {place} does not answer", hint) from None


def _loaded(path: str, passphrase: str | None = None) -> Iterator[paramiko.PKey]:
    """Read a private key: with its certificate, if there is one, and then alone; nothing if it is none.

    Raises PasswordRequiredException when it is locked.
    """
    for kind in _KINDS:
        try:
            key = kind.from_private_key_file(path, passphrase)
            certificate = Path(f"{path}-cert.pub")
            if certificate.is_file():
                certified = kind.from_private_key_file(path, passphrase)
                certified.load_certificate(str(certificate))
                yield certified
            yield key
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError, OSError):
            continue
        return


def _described(key: paramiko.PKey) -> str:
    comment = getattr(key, "comment", "")
    return f"the agent's {comment or key.get_name()}"
