"""Secrets that only a person knows: asked for once, and kept in memory for all nodes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from nodeprov.errors import NodeprovError

Ask = Callable[[str], str]
"""Asks a person, who types without being seen, and returns the answer."""
COMMAND_SECONDS = 120.0
"""How long a command may take that prints a password: a person may have to unlock something."""


@dataclass(slots=True)
class _Sudo:
    """A password of sudo, and what became of it."""

    password: str | None = None
    is_proven: bool = False
    was_refused: str = ""


class Passwords:
    """The passwords of sudo and the passphrases of keys; `ask` is None where nobody can be asked.

    `sudo` is the password of all nodes if it is known already; no command is asked for it then.
    """

    def __init__(self, ask: Ask | None = None, *, sudo: str | None = None) -> None:
        self._ask = ask
        self._given = None if sudo is None else _Sudo(sudo)
        self._sudo: dict[str, _Sudo] = {}
        self._passphrases: dict[str, str] = {}
        self._asking = threading.RLock()

    def sudo(self, user: str, node: str, accepts: Callable[[str], bool], command: str = "") -> str:
        """Return a password that sudo accepts.

        Until one node has accepted it no other is tried, and after a refusal none: the account may be one
        for all of them, and be locked after a few wrong passwords.

        Args:
            user: whose password it is.
            node: where.
            accepts: tries a password there, once.
            command: prints it, for sh on this machine; "" where a person is asked.

        Raises:
            NodeprovError: if nobody can be asked, the command fails, or the password is wrong.
        """
        with self._asking:
            known = self._given or self._sudo.setdefault(command, _Sudo())
            if known.was_refused:
                refused = f"sudo password not tried: {known.was_refused}"
                raise NodeprovError(refused, "run again with the right one", where=node)
            if known.password is None:
                known.password = _printed(command, node) if command else self._asked(user, node)
            if not known.is_proven:
                _prove(known, user, node, accepts)
                known.is_proven = True
                return known.password
        _prove(known, user, node, accepts)
        return known.password

    def passphrase(self, path: str) -> str | None:
        """Return the passphrase of a private key; None if nobody can be asked."""
        with self._asking:
            if path not in self._passphrases:
                if self._ask is None:
                    return None
                self._passphrases[path] = self._ask(f"passphrase of {path}: ")
            return self._passphrases[path]

    def _asked(self, user: str, node: str) -> str:
        if self._ask is None:
            raise NodeprovError(
                f"sudo wants the password of {user}, and there is no terminal to ask on",
                "run again with --ask-sudo-password, or set [ssh] sudo_password_command in the inventory; "
                f"or let {user} use sudo without one (NOPASSWD in sudoers)",
                where=node,
            )
        return self._ask(f"password of {user} for sudo on all nodes: ")


def _prove(known: _Sudo, user: str, node: str, accepts: Callable[[str], bool]) -> None:
    password = known.password or ""
    if not password or not accepts(password):
        known.was_refused = f"{node} refused it for {user}" if password else "it is empty"
        raise NodeprovError(
            f"sudo refused the password of {user}" if password else f"the password of {user} is empty",
            f"it was tried once; log in as {user} and see whether it is right: sudo -k true",
            where=node,
        )


def _printed(command: str, node: str) -> str:
    """Return the first line that a command prints; raise NodeprovError if it fails. Its output is never shown."""
    from nodeprov.hosts.local import run_program

    ended = run_program(["sh", "-c", command], timeout_seconds=COMMAND_SECONDS)
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip() or "it printed no reason"
        raise NodeprovError(
            f"[ssh] sudo_password_command ended with {ended.returncode}: {said}",
            "run the command yourself: its first line must be the password",
            where=node,
        )
    return ended.stdout.decode(errors="replace").partition("\n")[0].removesuffix("\r")
