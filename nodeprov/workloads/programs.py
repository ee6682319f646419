"""The programs that a container's command calls, also those of a shell's script, as far as the words show them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

_PART = re.compile(
    r"""(?P<end>[;&|()\n`]+)       # of a command: another may begin
    | \#[^\n]* | [<>]+
    | (?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s;&|()`<>])+)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTES = re.compile(r"""["']""")
_ASSIGNMENT = re.compile(r"\w+=")
_BEFORE_COMMANDS = ("!", "{", "if", "then", "elif", "else", "while", "until", "do", "time")
_SHELLS = ("sh", "ash", "bash", "dash", "busybox", "su")
_CALLING = (
    *(
        *_SHELLS,
        "chroot",
        "dumb-init",
        "env",
        "eval",
        "exec",
        "for",
        "gosu",
        "ip",
        "nice",
        "nohup",
        "nsenter",
        "pilot-agent",
    ),
    *("setpriv", "su-exec", "sudo", "timeout", "tini", "unshare", "xargs"),
)
"""Programs and words of the shell that call what is among their words; `for` has it in its list, most often."""
_SCRIPT = re.compile(r"-[a-zA-Z]*c")
"""The option of all shells before a script."""


def programs(command: Sequence[str]) -> Iterator[str]:
    """Name the programs of a command without their folders; any word of what calls others may be one.

    A word that is only mentioned is none: an option's value, a file's name, what is printed or installed.
    """
    calling = False
    for number, word in enumerate(command):
        if _is_script(command, number):
            yield from _of_script(word)
        elif number == 0 or calling:
            yield (name := _name(word))
            calling = calling or name in _CALLING


def _is_script(command: Sequence[str], number: int) -> bool:
    """Tell whether a word follows -c, be there other options between: `sh -c -e SCRIPT`."""
    options = itertools.takewhile(lambda each: each.startswith("-"), reversed(command[:number]))
    return any(_SCRIPT.fullmatch(each) for each in options)


def _of_script(script: str) -> Iterator[str]:
    first, calling = True, False
    for part in _PART.finditer(script):
        word = part["word"]
        if part["end"]:
            first, calling = True, False
        elif word is None:
            continue
        elif first and (assigned := _ASSIGNMENT.match(word)):
            yield _name(word[assigned.end() :])  # TOOL=/sbin/iptables, to call $TOOL
        elif first and word in _BEFORE_COMMANDS:
            continue
        elif first or calling:
            yield (name := _name(word))
            first, calling = False, calling or name in _CALLING
            if calling and " " in word:
                yield from _of_script(_QUOTES.sub("", word))
        if word and word.startswith('"') and ("$(" in word or "`" in word):
            yield from _of_script(word[1:-1])


def _name(word: str) -> str:
    return _QUOTES.sub("", word).rpartition("/")[2]
