"""Running a script as root, by sudo, whatever the login shell."""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass, replace

_NEEDS_TERMINAL = re.compile(r"must have a tty|no tty present(?! and no askpass)")
_NEEDS_PASSWORD = re.compile(r"password is required|authentication is required|no askpass program")
_REFUSES_PASSWORD = re.compile(
    r"incorrect (password|authentication) attempt|[Ss]orry, try again|[Aa]uthentication failed"
    r"|no password was provided"
)


@dataclass(frozen=True, slots=True)
class Become:
    """What sudo on a node needs; it is learned from its error messages."""

    sudo: bool
    password: bool = False
    terminal: bool = False

    def learned_from(self, message: str) -> Become | None:
        """Add what sudo asks for; None if that is nothing that can be provided."""
        if not self.sudo:
            return None
        if not self.terminal and _NEEDS_TERMINAL.search(message):
            return replace(self, terminal=True)
        if not self.password and _NEEDS_PASSWORD.search(message):
            return replace(self, password=True)
        return None


def refuses_password(message: str) -> bool:
    """Return whether sudo has rejected a password."""
    return bool(_REFUSES_PASSWORD.search(message))


def command_line(script: str, become: Become, mark: str, *, runner: str = "") -> str:
    """Wrap a script for sh, fish and csh alike: in base64 nothing is left that they would read differently.

    Args:
        script: runs as root, below `runner`.
        become: what sudo asks for.
        mark: a line that both outputs get before the script's own: what a login shell prints comes before it.
        runner: a command that runs another, such as `timeout 60`.
    """
    command = f"{runner} {_evaluation(_prologue(become, mark) + script)}".strip()
    if not become.sudo:
        return command
    return _by_sudo("-S -p ''" if become.password else "-n", command, become)


def proof_line(become: Become, mark: str) -> str:
    """Write the command that shows whether sudo takes a password, cached credentials aside."""
    return _by_sudo("-k -S -p ''", _evaluation(_prologue(replace(become, password=False), mark)), become)


def opening(become: Become, password: str, mark: str) -> bytes:
    """Write what comes on standard input before the script's own.

    sudo need not take the password (cached credentials, NOPASSWD): the script drops what is left before the mark.
    """
    return f"{password}\n{mark}\n".encode() if become.password else b""


def after_mark(printed: bytes, mark: str) -> bytes | None:
    """Drop what comes before the mark; None if there is no mark, because the script did not begin."""
    _, found, rest = printed.partition(f"{mark}\n".encode())
    return rest if found else None


def _prologue(become: Become, mark: str) -> str:
    lines = [f"echo {mark}; echo {mark} >&2"]
    if become.password:
        # sh reads byte by byte from a pipe, so that the rest stays for the script.
        lines += [f'while IFS= read -r nodeprov && [ "$nodeprov" != {mark} ]; do :; done', "unset nodeprov"]
    lines += ["umask 022"]  # the user's own may be anything, and sudo keeps it
    return "\n".join(lines) + "\n"


def _by_sudo(options: str, command: str, become: Become) -> str:
    # In C, so that sudo complains in words that we know.
    line = f"env LC_ALL=C sudo {options} -- {command}"
    return _evaluation(_on_terminal(line)) if become.terminal else line


def _evaluation(script: str) -> str:
    body = base64.b64encode(script.encode()).decode()
    return f"sh -c 'eval \"$(echo {body} | base64 -d)\"'"


def _on_terminal(line: str) -> str:
    """Give sudo a controlling terminal, and our bytes their own pipes: a terminal would change them."""
    inner = shlex.quote(f"exec {line} <&3 >&4 2>&5 3<&- 4>&- 5>&-")
    return f"exec env SHELL=/bin/sh script -qec {inner} /dev/null 3<&0 4>&1 5>&2 </dev/null >/dev/null"
