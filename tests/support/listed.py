"""A cluster as a reader that lists objects page by page, and may forget a list, or refuse it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nodeprov.hosts.base import Output
from nodeprov.kubernetes.pages import Page, PageQuery
from nodeprov.kubernetes.trials.live_workloads import KINDS

EXPIRED = (
    "Error from server (Expired): The provided continue parameter is too old to display a consistent list result."
)


class Cluster:
    """A cluster that lists objects by pages of two; `refused` is what it says of some lists in place of them."""

    name = "localhost"

    def __init__(self, *objects: dict[str, Any], refused: dict[str, str] | None = None) -> None:
        self.objects, self.refused, self.asked = objects, refused or {}, list[str]()

    def ask(self, queries: Sequence[Any]) -> list[Any]:
        return [self._answer(each) for each in queries]

    def _answer(self, query: PageQuery) -> Page:
        self.asked.append(f"{query.path} {query.after}".strip())
        if said := self.refused.get(self.asked[-1]) or self.refused.get(query.path):
            if said.startswith("once: "):
                del self.refused[self.asked[-1]]
            return query.parse(Output(1, b"", said.removeprefix("once: ").encode()))
        kind = next(kind for kind, name in KINDS.items() if query.path.endswith(f"/{name.partition('.')[0]}"))
        items = [each for each in self.objects if each["kind"] == kind]
        begin = int(query.after or 0)
        after = {"continue": str(begin + 2)} if len(items) > begin + 2 else {}
        shown = [{name: each[name] for name in ("metadata", "spec")} for each in items[begin : begin + 2]]
        return query.parse(Output(0, json.dumps({"metadata": after, "items": shown}).encode(), b""))
