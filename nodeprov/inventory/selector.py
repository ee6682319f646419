"""Label selectors, as kubectl writes them: `zone=a,disk!=hdd,tier in (web, db),gpu,!old`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nodeprov.errors import UsageError
from nodeprov.inventory import syntax

_OPTION = "-l/--selector"
_HINT = (
    "write it as kubectl does: zone=a, zone!=a, 'zone in (a,b)', 'zone notin (a,b)', zone (has it), '!zone' "
    "(has it not), several with commas"
)
_SET = r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)"
_EQUAL = r"(?P<key>[^!=\s]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^=!\s]*)"
_EXISTS = r"(?P<absent>!?)\s*(?P<key>[^\s!=()<>]+)"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a node's labels must fulfil.

    With `values` the label must have one of them; without, there must be one of that key. `is_negative` turns it
    round; as in Kubernetes a node without the key fulfils `key!=value`.
    """

    key: str
    values: tuple[str, ...] = ()
    is_negative: bool = False

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil it."""
        found = labels.get(self.key) in self.values if self.values else self.key in labels
        return found is not self.is_negative


@dataclass(frozen=True, slots=True)
class Selector:
    """All that a node's labels must fulfil, and the text that says so."""

    text: str
    requirements: tuple[Requirement, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are asked for, each once."""
        return tuple(dict.fromkeys(each.key for each in self.requirements))

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil all of it."""
        return all(each.fits(labels) for each in self.requirements)


def parse_selector(text: str) -> Selector:
    """Read a selector; raise UsageError, with how one is written, if it is none."""
    if not text.strip():
        raise UsageError("is empty", _HINT, where=_OPTION)
    return Selector(text.strip(), tuple(_requirement(part) for part in _parts(text)))


def _parts(text: str) -> Iterator[str]:
    """Split at the commas that stand outside of parentheses."""
    for part in re.split(r",(?![^()]*\))", text):
        if not part.strip():
            raise UsageError(f"{text!r} has a comma and nothing beside it", _HINT, where=_OPTION)
        yield part.strip()


def _requirement(part: str) -> Requirement:
    if found := re.fullmatch(_SET, part):
        values = tuple(_value(each.strip()) for each in found["values"].split(","))
        return Requirement(_key(found["key"]), values, is_negative=found["operator"] == "notin")
    if found := re.fullmatch(_EQUAL, part):
        return Requirement(_key(found["key"]), (_value(found["value"]),), is_negative=found["operator"] == "!=")
    if found := re.fullmatch(_EXISTS, part):
        return Requirement(_key(found["key"]), is_negative=bool(found["absent"]))
    raise UsageError(f"{part!r} is not a selector", _HINT, where=_OPTION)


def _key(text: str) -> str:
    if not syntax.LABEL_KEY.accepts(text):
        raise UsageError(f"{text!r} is not {syntax.LABEL_KEY.expected}", _HINT, where=_OPTION)
    return text


def _value(text: str) -> str:
    if not syntax.LABEL_VALUE.accepts(text):
        raise UsageError(f"{text!r} is not {syntax.LABEL_VALUE.expected}", _HINT, where=_OPTION)
    return text
