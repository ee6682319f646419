"""A list of objects that is kept up to date: read in pages, then watched."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import uniform
from typing import Any, Generic, TypeVar

from nodeprov.dispatch.api import CUT, Api, ApiError, Object
from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type, said_by_system

T = TypeVar("T")
WATCH_SECONDS = 240
"""How long one watch lasts at least; so many clients do not all begin again in the same moment."""
QUIET_SECONDS = 90.0
"""A server that allows bookmarks sends one each minute (k8s.io/apiserver: storage/cacher): then it is gone."""
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """All there are; what was known before and is not among them is gone."""

    items: Sequence[T]


@dataclass(frozen=True, slots=True)
class Put(Generic[T]):
    """One was made, or has changed."""

    item: T


@dataclass(frozen=True, slots=True)
class Gone(Generic[T]):
    """One was deleted; this is how it was."""

    item: T


Change = Listed[T] | Put[T] | Gone[T]


class Watch(Generic[T]):
    """Objects of one kind, each parsed as it comes: the whole of it is not kept.

    Attributes:
        lists: how often all were listed.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        parse: Callable[[Object], T],
        *,
        label_selector: str = "",
        stop: threading.Event | None = None,
        on_error: Callable[[NodeprovError], None] = lambda _error: None,
    ) -> None:
        """Prepare to watch a collection; `stop` ends it, `on_error` hears why it has to begin again."""
        self.lists = 0
        self._api, self._path, self._parse = api, path, parse
        self._selected = {"labelSelector": label_selector} if label_selector else {}
        self._stop = stop or threading.Event()
        self._on_error = on_error

    def changes(self) -> Iterator[Change[T]]:
        """Yield what there is, and then what changes, until it is stopped.

        Where the server does not know any more what was changed since, all is listed again.
        """
        version = ""
        while not self._stop.is_set():
            try:
                if not version:
                    items, version = self._list()
                    yield Listed(items)
                for change, at in self._since(version):
                    version = at
                    if change is not None:
                        yield change
            except NodeprovError as error:
                if isinstance(error, ApiError) and (error.status == 410 or error.reason in ("Expired", "Gone")):
                    version = ""
                    continue
                if not isinstance(error, ApiError):
                    version = ""  # an event that cannot be read would come again
                self._on_error(error)
                self._stop.wait(_PAUSE_SECONDS)
            except CUT as error:
                self._on_error(NodeprovError(f"the watch of {self._path} has ended: {said_by_system(error)}"))
                self._stop.wait(_PAUSE_SECONDS)

    def _list(self) -> tuple[list[T], str]:
        items: list[T] = []
        version = ""
        try:
            for page in self._api.pages(self._path, **self._selected):
                items += map(self._parse, page.get("items") or ())
                version = of_type(str, page["metadata"]["resourceVersion"])
        except MALFORMED_JSON as error:
            raise self._not_understood("the list", error) from None
        self.lists += 1
        return items, version

    def _since(self, version: str) -> Iterator[tuple[Change[T] | None, str]]:
        """Yield each change since a version, and the version that it leads to; None is a bookmark."""
        parameters = {
            **self._selected,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(int(uniform(1, 2) * WATCH_SECONDS)),  # noqa: S311  no secret
        }
        with self._api.stream(self._path, parameters, QUIET_SECONDS) as lines:
            for line in lines:
                yield self._understood(line)
                if self._stop.is_set():
                    return

    def _understood(self, line: bytes) -> tuple[Change[T] | None, str]:
        try:
            event: dict[str, Any] = json.loads(line)
            kind, value = event["type"], event["object"]
            if kind == "ERROR":
                raise ApiError(
                    f"the watch of {self._path} has ended: {value.get('message', '')}",
                    "kubectl get --raw /readyz?verbose",
                    where=self._api.access.server,
                    status=int(value.get("code", 500)),
                    reason=str(value.get("reason", "")),
                )
            version = value["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                return None, version
            return (Gone if kind == "DELETED" else Put)(self._parse(value)), version
        except MALFORMED_JSON as error:
            raise self._not_understood("an event", error) from None

    def _not_understood(self, what: str, error: Exception) -> NodeprovError:
        return NodeprovError(
            f"{what} of {self._path} is not understood: {type(error).__name__}: {error}",
            "is there a proxy in between? kubectl get --raw /readyz",
            where=self._api.access.server,
        )
