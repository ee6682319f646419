"""A list that stays up to date whatever becomes of its connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nodeprov.dispatch.access import Access
from nodeprov.dispatch.api import Api, Object
from nodeprov.dispatch.watch import Gone, Listed, Put, Watch
from nodeprov.errors import NodeprovError
from tests.support.api_server import CUT, ApiServer, api_server


class Seen:
    """A watch in a thread, and what it has told."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.errors: list[NodeprovError] = []
        self.watch = Watch(Api(Access(server.address)), "/api/v1/nodes", _name, on_error=self.errors.append)
        self.changes = self.watch.changes()

    def next(self) -> object:
        """Return the next change; a test that waits in vain ends by its own timeout."""
        return next(self.changes)


def _name(value: Object) -> str:
    return str(value["metadata"]["name"])


@pytest.fixture
def seen() -> Iterator[Seen]:
    with api_server() as server:
        server.put("n1")
        yield Seen(server)


def test_what_there_is_comes_first_and_then_what_changes(seen: Seen) -> None:
    assert seen.next() == Listed(["n1"])
    seen.server.put("n2")
    assert seen.next() == Put("n2")
    seen.server.remove("n1")
    assert seen.next() == Gone("n1")


def test_a_list_of_several_pages_is_one_list(seen: Seen) -> None:
    seen.server.page = 1
    seen.server.put("n2")
    assert seen.next() == Listed(["n1", "n2"])


def test_a_watch_that_is_cut_goes_on_where_it_was(seen: Seen) -> None:
    seen.next()
    seen.server.put("n2")
    assert seen.next() == Put("n2")
    seen.server.tell("cut")
    seen.server.put("n3")
    assert seen.next() == Put("n3")
    assert seen.watch.lists == 1


def test_a_bookmark_moves_the_place_where_it_goes_on(seen: Seen) -> None:
    seen.next()
    seen.server.bookmark()
    seen.server.put("n2")
    assert seen.next() == Put("n2")
    seen.server.oldest = 3  # all but the bookmark and what followed is forgotten
    seen.server.tell("cut")
    seen.server.put("n3")
    assert seen.next() == Put("n3")
    assert seen.watch.lists == 1


def test_all_is_listed_again_when_the_server_has_forgotten_the_place(seen: Seen) -> None:
    seen.next()
    seen.server.put("n2")
    assert seen.next() == Put("n2")
    seen.server.oldest = 100
    seen.server.tell("cut")
    assert seen.next() == Listed(["n1", "n2"])


def test_all_is_listed_again_when_the_server_says_so_in_the_middle(seen: Seen) -> None:
    seen.next()
    seen.server.put("n2")
    seen.next()
    seen.server.tell({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})
    assert seen.next() == Listed(["n1", "n2"])
    assert seen.errors == []


def test_a_list_that_took_too_long_begins_again(seen: Seen) -> None:
    seen.server.page, seen.server.forgets_pages = 1, True
    seen.server.put("n2")
    assert seen.next() == Listed(["n1", "n2"])


def test_a_server_that_is_away_is_waited_for(seen: Seen) -> None:
    seen.server.problems = [CUT, CUT, CUT]
    assert seen.next() == Listed(["n1"])


def test_what_is_no_event_is_told_and_survived(seen: Seen) -> None:
    seen.next()
    seen.server.tell({"type": "ADDED"})
    assert seen.next() == Listed(["n1"])
    seen.server.put("n2")
    assert seen.next() == Put("n2")
    [error] = seen.errors
    assert str(error).endswith("hint: is there a proxy in between? kubectl get --raw /readyz")


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 500 no\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 200 OK\r\n"],
)
def test_a_watch_that_is_answered_with_something_else_is_asked_for_again(seen: Seen, answer: bytes) -> None:
    seen.next()
    seen.server.problems = [answer]
    seen.server.put("n2")
    assert seen.next() == Put("n2")


@pytest.mark.parametrize("content", [b"{}", b'{"metadata": {}, "items": [{}]}', b'{"metadata": null}'])
def test_what_is_no_list_is_told_and_survived(seen: Seen, content: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
    seen.server.problems = [head.encode() + content]
    assert seen.next() == Listed(["n1"])
    [error] = seen.errors
    assert "is not understood" in error.message
    assert error.hint


def test_it_ends_when_it_is_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with api_server() as server:
        watch = Watch(Api(Access(server.address)), "/api/v1/nodes", _name, stop=stop)
        assert list(watch.changes()) == []
