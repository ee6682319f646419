"""Errors as an operator reads them: where, what, and what to type next."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

MALFORMED = (ValueError, LookupError, OverflowError, RecursionError)
"""What Python raises when a text that somebody else has written is not of the form that was expected."""
MALFORMED_JSON = (*MALFORMED, TypeError, AttributeError)
"""The same for JSON, where any type may stand anywhere; only for what does nothing but take it apart."""

_OF_OPENSSL = r"^\[[\w: ]+\] | \(_ssl\.c:\d+\)$"

_LARGEST_IN_TOML = 1 << 63

T = TypeVar("T")


def of_type(kind: type[T], value: Any) -> T:
    """Insist on a value's type, by one of MALFORMED_JSON: JSON has others, and a file may have been edited."""
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected, not {value!r:.60}")
    return value


def said_by_system(error: BaseException) -> str:
    """Say what the system or OpenSSL says of a connection or a file, without numbers and names of sources."""
    said = str(getattr(error, "strerror", None) or error)
    if "WRONG_VERSION_NUMBER" in said:
        return "it does not speak TLS"
    return re.sub(_OF_OPENSSL, "", said)


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object; raise ValueError if it is something else, or nested too deep."""
    try:
        value = json.loads(text)
    except MALFORMED as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def ended(sentence: str) -> str:
    """Take away the sign that a sentence ends with when what was to follow is empty: a program may say nothing."""
    return sentence.rstrip(": ;\n")


def toml_table(text: str) -> dict[str, Any]:
    """Read TOML; raise one of MALFORMED where it is none, or has a whole number of more than 64 bits.

    The specification knows none, but tomllib reads them; and what has thousands of digits no message can show.
    """
    import tomllib  # not each command reads any

    found = tomllib.loads(text)
    left: list[Any] = [found]
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and not -_LARGEST_IN_TOML <= value < _LARGEST_IN_TOML:
            raise ValueError("a whole number of more than 64 bits")
    return found


class NodeprovError(Exception):
    """Something that an operator can act on.

    Printed as ``where: message`` and, below it, ``hint: …``: lower case, in the user's words, the hint being
    the command to type next. `exit_code` is what the process ends with.
    """

    exit_code = 1
    is_unreached = False
    """Whether it is that a node could not be logged in to: another attempt would only take as long again."""

    def __init__(self, message: str, hint: str = "", *, where: str = "") -> None:
        self.message, self.hint = ended(message), ended(hint)
        super().__init__(self.message)
        self.where = where

    def __str__(self) -> str:
        said = f"{self.where}: {self.message}" if self.where else self.message
        return f"{said}\nhint: {self.hint}" if self.hint else said

    def at(self, where: str) -> Self:
        """Set where it happened, unless that is known already; to a path the machine is added."""
        if self.where.startswith("/") and not where.startswith("/"):
            self.where = f"{where}: {self.where}"
        self.where = self.where or where
        return self

    def parts(self) -> "tuple[NodeprovError, ...]":
        """Return each thing that is wrong as an error of its own, where several are found at once."""
        return (self,)


OnLeft = Callable[[NodeprovError], None]
"""Hears what could not be undone at the end."""


def not_understood(error: Exception) -> NodeprovError:
    """Make an error of an answer in another form than expected; the error's text may quote the answer."""
    said = " ".join(str(error).split())
    return NodeprovError(
        f"its answer is not understood: {type(error).__name__}: {said[:200]}",
        "look with -vv at what was asked, and run it there by hand",
    )


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Give errors a place that have none yet."""
    try:
        yield
    except NodeprovError as error:
        error.at(where)
        raise


@contextmanager
def taking_json_apart() -> Iterator[None]:
    """Raise NodeprovError where JSON in an answer is not of the form that was expected."""
    try:
        yield
    except MALFORMED_JSON as error:
        raise not_understood(error) from None


@contextmanager
def undone_at_end(undo: Callable[[], None], on_left: OnLeft | None = None) -> Iterator[None]:
    """Undo something at the end, whatever happened; an error that came first is not hidden by one of that.

    Where all went well but the undoing, its error is for `on_left`: what was found out until then is good. Without
    one it is raised.
    """
    try:
        yield
    except BaseException as first:
        try:
            undo()
        except NodeprovError as second:
            _tell_too(first, second)
        raise
    try:
        undo()
    except NodeprovError as error:
        if on_left is None:
            raise
        on_left(error)


def _tell_too(first: BaseException, second: NodeprovError) -> None:
    """Add to an error what went wrong after it: what is left comes first in what to do."""
    if not isinstance(first, NodeprovError):
        first.add_note(str(second))
        return
    first.message = f"{first.message}; and then: {second.message}"
    first.hint = "; then: ".join(filter(None, [second.hint, first.hint]))


class UsageError(NodeprovError):
    """The command line or the inventory asks for something that cannot be."""

    exit_code = 2


class CommandFailed(NodeprovError):
    """A program ended with another status than 0."""

    def __init__(self, message: str, hint: str = "", *, where: str = "", returncode: int, stderr: str) -> None:
        super().__init__(message, hint, where=where)
        self.returncode = returncode
        self.stderr = stderr


class RolledBack(NodeprovError):
    """A node has rolled back on its own; the files are those that it had before.

    Attributes:
        hit: the containers of others that its restarts have cut off, in words.
    """

    def __init__(self, message: str, hint: str = "", *, where: str = "", hit: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint, where=where)
        self.hit = hit


class RollbackFailed(NodeprovError):
    """A node has rolled back on its own, and its containerd does not serve with the old files either."""


class Cancelled(NodeprovError):
    """Whoever started a run has cancelled it."""

    def __init__(self) -> None:
        super().__init__("interrupted", "run it again when you are ready")


class Busy(NodeprovError):
    """Another run holds the node, or has just worked on it: a moment later the same may succeed."""


class TakenOver(NodeprovError):
    """Another run has the node now: this one was not heard of for too long."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason not to begin, found before anything is touched; `why` it is one, for those who ask."""

    message: str
    hint: str
    why: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "hint", "why"):
            object.__setattr__(self, name, ended(getattr(self, name)))


class Problems(NodeprovError):
    """All the reasons not to begin, at once."""

    def __init__(self, problems: Sequence[Problem], *, where: str) -> None:
        super().__init__("; ".join(problem.message for problem in problems), where=where)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(part) for part in self.parts())

    def parts(self) -> tuple[NodeprovError, ...]:
        """Return each reason as an error of its own."""
        return tuple(NodeprovError(each.message, each.hint, where=self.where) for each in self.problems)
