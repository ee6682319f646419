"""Objects as YAML: for people, for kubectl, and for a repository from which somebody else applies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml as library

WIDE = 1_000_000
"""No line is folded: an expression of CEL is searched for as a whole."""


class _Dumper(library.SafeDumper):
    """Writes what stands in several places in each of them: an anchor says nothing to who reads a policy."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> Any:
    """Write a text; the quotes of CEL stand in others than their own."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "'" in value else None)


_Dumper.add_representer(str, _text)


def yaml(objects: Iterable[Mapping[str, Any]]) -> str:
    """Write objects as documents of YAML."""
    text = library.dump_all(
        objects, Dumper=_Dumper, explicit_start=True, sort_keys=False, width=WIDE, allow_unicode=True
    )
    return text.rstrip("\n")
