"""What may be shown of a text: no secrets, and nothing that a terminal would take for a command."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HIDDEN = "(not shown)"

# Expressions are texts here: together they take longer to compile than a short command takes, and most use one.

_WORDS = r"password|passwd|passphrase|secret|token|credential|htpasswd|api[-_]?key|access[-_]?key|private[-_]?key"
# `auth` only as a word of its own: authors and --authorization-mode are no secrets. Bounded, for an expression
# that looks on from every place of a long line takes the square of its length.
_NAME = (
    rf"[\w./-]{{0,200}}(?:{_WORDS}|key[-_]data|certificate[-_]data)[\w./-]{{0,100}}"
    r"|[\w./-]{0,200}[._/-]auth|auth|[\w-]{0,200}authorization"
)
# A quote may be escaped: JSON is written into annotations and logs as a string.
_KEY = rf"(?P<name>(?P<quote>(?<!\\)\\*[\"'])?(?<![\w./-])(?:{_NAME})(?(quote)(?P=quote)))"
_VALUE = r"""
    \"\"\".*?\"\"\" | '''.*?'''
  | (?P<escaped>\\+["']).*?(?P=escaped)
  | "(?:\\.|[^"\\\n])*" | '[^'\n]*'
  | \[ [^\[\]{}]* \]
"""
_ASSIGNED = rf"(?isx){_KEY}(?P<between>[ \t]*=[ \t]*)(?:{_VALUE}|(?!\$[({{]?\w|[\[{{])[^\s\"',;)}}]+)"
_MAPPED = (
    rf"(?isx){_KEY}(?P<between>[ \t]*:[ \t]*)"
    rf"(?:{_VALUE}|[|>][-+]?(?:\n[ \t]+[^\n]*)+|(?![|>\[{{\s])[^\n\"'}}\\]+)"
)
_OPTION = (
    rf"(?i)(?P<name>(?<!\S)--?[\w-]{{0,200}}(?:{_WORDS})[\w-]{{0,100}})(?P<between>[ \t]+)"
    r"(?:\"[^\"]*\"|'[^']*'|(?![-$])\S+)"
)
_SCHEME = r"(?i)(?P<name>\b(?:bearer|basic))(?P<between>[ \t]+)[\w.~+/-]{6,}=*"
_PRIVATE_KEY = r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)"
# Up to the last @ of the word: a password may have any of the signs that should be written as %40 and the like.
_USERINFO = r"(\w://)[^\s\"]{1,2000}@"
_KNOWN = r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\b[a-z0-9]{6}\.[a-z0-9]{16}\b"
_PLAIN = r"(?i)(true|false|null|none|\d{1,3}|\"\"|''|\[\])\Z"
# Control characters, what turns the direction or hides in a line, and bytes that are no text.
_CONTROL = (
    r"[^\n\t\x20-\x7e\xa0-\U0010ffff]|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]"
    r"|[\ud800-\udfff]|[\U000e0000-\U000e007f]"
)

_SENSITIVE = r"(?i)password|passwd|secret|token|auth|credential|://[^/\s@]+@"
_PLAIN_KEY = r"[\w.\"'-]+"


def redacted(text: str) -> str:
    """Hide what looks secret: by the name that it is given, and by its own form.

    Passwords, tokens, authorizations and private keys as TOML, JSON, YAML, environment, options of a command and
    prose write them; the names and the layout stay. It hides too much rather than too little.
    """
    text = re.sub(_PRIVATE_KEY, rf"\1 {HIDDEN} \2", text)
    text = without_userinfo(text)
    text = re.sub(_KNOWN, HIDDEN, text)
    for pattern in (_ASSIGNED, _MAPPED, _OPTION, _SCHEME):
        text = re.sub(pattern, _hide, text)
    return text


def _hide(found: re.Match[str]) -> str:
    kept = f"{found['name']}{found['between']}"
    value = found[0].removeprefix(kept)
    if re.match(_PLAIN, value.strip().rstrip(",")) or found.string.startswith(HIDDEN, found.start() + len(kept)):
        return found[0]
    quoted = re.match(r"\\*[\"']", value)
    mark = quoted[0] if quoted else ""
    return f"{kept}{mark}{HIDDEN}{mark}"


def redacted_value(value: Any, name: str = "") -> Any:
    """Hide what looks secret in plain values, by the names of the mappings that they are in."""
    match value:
        case Mapping():
            return {key: redacted_value(each, str(key)) for key, each in value.items()}
        case str():
            secret = value and re.fullmatch(_NAME, name, re.I)
            return HIDDEN if secret else redacted(value)
        case Sequence():
            return [redacted_value(each, name) for each in value]
    return value


def looks_secret(text: str) -> bool:
    """Return whether a name or a line looks as if it had a secret."""
    return bool(re.search(_SENSITIVE, text))


def secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Find what looks secret and goes over several lines: a string, a list, a block, a key; start and end."""
    for pattern in (_PRIVATE_KEY, _ASSIGNED, _MAPPED):
        yield from (found.span() for found in re.finditer(pattern, text) if "\n" in found[0])


def masked(line: str, *, is_secret: bool = False) -> str:
    """Leave out of a line of a diff what follows its name, when it is secret or anything in it looks so."""
    if not is_secret and not looks_secret(line):
        return line
    name, equals, _ = line.partition("=")
    plain = equals and re.fullmatch(_PLAIN_KEY, name[1:].strip())
    return f"{name.rstrip()} {HIDDEN}" if plain else f"{line[:1]} {HIDDEN}"


def without_userinfo(text: str) -> str:
    """Hide who a URL logs in as, and the password: a mirror of releases may want one."""
    return re.sub(_USERINFO, rf"\1{HIDDEN}@", text)


def visible(text: str) -> str:
    r"""Write control characters as escapes such as \x1b: what a host prints must not control the terminal."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text  # as nearly always
    return re.sub(_CONTROL, lambda found: found[0].encode("unicode_escape").decode(), text)
