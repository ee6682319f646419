"""Secrets that only a person knows: asked for once, and kept in memory for all nodes."""

import threading
from collections.abc import Callable

from nodeprov.errors import NodeprovError

Ask = Callable[[str], str]
"""Asks a person, who types without being seen, and returns the answer."""


class Passwords:
    """The password of sudo and the passphrases of keys; `ask` is None where nobody can be asked."""

    def __init__(self, ask: Ask | None = None, *, sudo: str | None = None) -> None:
        self._ask = ask
        self._sudo = sudo
        self._sudo_is_proven = False
        self._sudo_was_refused = ""
        self._passphrases: dict[str, str] = {}
        self._asking = threading.RLock()

    def sudo(self, user: str, node: str, accepts: Callable[[str], bool]) -> str:
        """Return a password that sudo accepts.

        Until one node has accepted it no other is tried, and after a refusal none: the account may be one
        for all of them, and be locked after a few wrong passwords.

        Args:
            user: whose password it is.
            node: where.
            accepts: tries a password there, once.

        Raises:
            NodeprovError: if nobody can be asked, or the password is wrong.
        """
        with self._asking:
            if self._sudo_was_refused:
                refused = f"sudo password not tried: {self._sudo_was_refused}"
                raise NodeprovError(refused, "run again with the right one", where=node)
            if self._sudo is None:
                self._sudo = self._asked(user, node)
            if not self._sudo_is_proven:
                self._sudo_is_proven = self._prove(user, node, accepts, self._sudo)
                return self._sudo
        self._prove(user, node, accepts, self._sudo)
        return self._sudo

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
                f"run again with --ask-sudo-password, or let {user} use sudo without one (NOPASSWD in sudoers)",
                where=node,
            )
        return self._ask(f"password of {user} for sudo on all nodes: ")

    def _prove(self, user: str, node: str, accepts: Callable[[str], bool], password: str) -> bool:
        if not password or not accepts(password):
            self._sudo_was_refused = f"{node} refused it for {user}" if password else "it is empty"
            raise NodeprovError(
                f"sudo refused the password of {user}" if password else f"the password of {user} is empty",
                f"it was tried once; log in as {user} and see whether it is right: sudo -k true",
                where=node,
            )
        return True
