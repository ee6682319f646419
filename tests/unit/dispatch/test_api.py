"""Requests to an API server that is busy, ill, cut off or gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.dispatch.access import Access
from nodeprov.dispatch.api import Api, ApiError, sleeping_until
from nodeprov.errors import NodeprovError
from tests.support.api_server import CUT, NOTHING, ApiServer, api_server

NODES = "/api/v1/nodes"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def api(server: ApiServer, slept: list[float]) -> Iterator[Api]:
    api = Api(Access(server.address, token="t"), sleep=slept.append)
    yield api
    api.close()


def test_a_request_says_who_asks(api: Api, server: ApiServer) -> None:
    server.put("n1", {"spec": {}})
    assert api.get(f"{NODES}/n1")["metadata"]["name"] == "n1"
    assert server.asked[-1][3] == "Bearer t"


def test_one_connection_serves_many_requests(api: Api, server: ApiServer) -> None:
    server.put("n1")
    before = len(api._idle)
    for _ in range(5):
        api.get(f"{NODES}/n1")
    assert (before, len(api._idle)) == (0, 1)


def test_all_pages_of_a_list_are_read(api: Api, server: ApiServer) -> None:
    server.page = 2
    for number in range(5):
        server.put(f"n{number}")
    pages = list(api.pages(NODES, labelSelector="a=b"))
    assert [[each["metadata"]["name"] for each in page["items"]] for page in pages] == [
        ["n0", "n1"],
        ["n2", "n3"],
        ["n4"],
    ]
    assert [query.get("labelSelector") for *_, query, _ in server.asked] == ["a=b"] * 3


@pytest.mark.parametrize("busy", [429, 503])
def test_who_is_told_to_come_later_comes_then(busy: int, api: Api, server: ApiServer, slept: list[float]) -> None:
    server.put("n1")
    server.problems = [(busy, 7), (busy, 3)]
    api.get(f"{NODES}/n1")
    assert slept == [7, 3]


@pytest.mark.parametrize("problem", [500, 502, 504, CUT])
def test_a_server_that_is_ill_is_asked_again(
    problem: int, api: Api, server: ApiServer, slept: list[float]
) -> None:
    server.put("n1")
    server.problems = [problem, problem]
    assert api.get(f"{NODES}/n1")
    assert slept == [0.05, 0.2]


def test_what_was_done_although_no_answer_came_is_said(api: Api, server: ApiServer) -> None:
    server.problems = [NOTHING]
    with pytest.raises(ApiError) as raised:
        api.create(NODES, {"metadata": {"name": "n1"}})
    assert (raised.value.status, raised.value.reason) == (409, "AlreadyExists")
    assert server.items.keys() == {"n1"}


def test_it_is_not_asked_for_ever(server: ApiServer) -> None:
    api = Api(Access(server.address), patience_seconds=0.1)
    server.problems = [(429, 5)]
    with pytest.raises(ApiError, match="come again") as raised:
        api.get(NODES)
    assert raised.value.status == 429


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    api = Api(Access("http://127.0.0.1:9"), patience_seconds=0)
    with pytest.raises(ApiError) as raised:
        api.get(NODES)
    assert str(raised.value) == (
        "http://127.0.0.1:9: it does not answer: Connection refused\n"
        "hint: is it the right address, and does the API server run? kubectl get --raw /readyz"
    )


def test_a_server_without_tls_is_told_so(server: ApiServer) -> None:
    api = Api(Access(server.address.replace("http:", "https:")), patience_seconds=0)
    with pytest.raises(ApiError, match="it does not answer: it does not speak TLS\n"):
        api.get(NODES)


@pytest.mark.parametrize(("status", "name"), [(403, "Forbidden"), (502, "Bad Gateway"), (599, "")])
def test_an_answer_that_is_not_the_api_s_is_told_with_its_status(
    status: int, name: str, server: ApiServer
) -> None:
    """A proxy in between has a page of its own, which often does not say it."""
    page = b"<html>go away</html>"
    server.problems = [b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(page), page)]
    with pytest.raises(ApiError) as raised:
        Api(Access(server.address), patience_seconds=0).get(NODES)
    said = f"{status} {name}".strip()
    assert raised.value.message == f"GET /api/v1/nodes: {said}: <html>go away</html>"


def test_a_refusal_is_told_in_the_server_s_words(api: Api, slept: list[float]) -> None:
    with pytest.raises(ApiError) as raised:
        api.get(f"{NODES}/n1")
    assert raised.value.message == 'GET /api/v1/nodes/n1: nodes "n1" not found'
    assert (raised.value.status, raised.value.reason, slept) == (404, "NotFound", [])
    assert api.find(f"{NODES}/n1") is None


def test_what_is_not_json_is_no_answer(api: Api, server: ApiServer) -> None:
    server.items["n1"] = "<html>"  # type: ignore[assignment]
    with pytest.raises(NodeprovError, match="is not a JSON object"):
        api.get(f"{NODES}/n1")


def test_a_token_that_was_replaced_is_read_again(server: ApiServer, tmp_path: Path, slept: list[float]) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    api = Api(Access(server.address, token_file=str(file)), sleep=lambda _: (file.write_text("new\n"), None)[1])
    server.put("n1")
    server.problems = [401]
    api.get(f"{NODES}/n1")
    assert [token for *_, token in server.asked] == ["Bearer old", "Bearer new"]


def test_a_token_that_does_not_count_is_not_tried_for_ever(server: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    api = Api(Access(server.address, token_file=str(tmp_path / "token")))
    server.problems = [401, 401, 401]
    with pytest.raises(ApiError) as raised:
        api.get(NODES)
    assert (raised.value.status, len(server.asked)) == (401, 2)


def test_nothing_is_changed_by_who_may_not_write_any_more(server: ApiServer) -> None:
    def refuse() -> None:
        raise NodeprovError("another one leads")

    api = Api(Access(server.address), before_write=refuse)
    server.put("n1")
    for change in (
        lambda: api.create(NODES, {}),
        lambda: api.patch(f"{NODES}/n1", {}),
        lambda: api.replace(f"{NODES}/n1", {}),
        lambda: api.delete(f"{NODES}/n1"),
    ):
        with pytest.raises(NodeprovError, match="another one leads"):
            change()
    assert server.asked == []


def test_who_lost_the_lead_while_a_server_was_ill_does_not_ask_again(server: ApiServer) -> None:
    leads = [True]

    def insist() -> None:
        if not leads.pop():
            raise NodeprovError("another one leads")

    leads[:] = [False, True]
    api = Api(Access(server.address), before_write=insist, sleep=lambda _: None)
    server.problems = [500]
    with pytest.raises(NodeprovError, match="another one leads"):
        api.create(NODES, {"metadata": {"name": "n1"}})
    assert len(server.asked) == 1


def test_only_the_object_that_is_meant_is_deleted(api: Api, server: ApiServer) -> None:
    server.put("n1", {"metadata": {"uid": "1"}})
    assert not api.delete(f"{NODES}/n1", uid="2")
    assert api.delete(f"{NODES}/n1", uid="1")
    assert not api.delete(f"{NODES}/n1")


def test_who_is_ended_does_not_wait_for_a_server_that_is_busy(server: ApiServer) -> None:
    stop = threading.Event()
    stop.set()
    api = Api(Access(server.address), sleep=sleeping_until(stop))
    server.problems = [(429, 60)]
    with pytest.raises(NodeprovError, match="interrupted"):
        api.get(NODES)
    assert len(server.asked) == 1


def test_answers_are_counted(api: Api, server: ApiServer) -> None:
    server.put("n1")
    server.problems = [CUT, 503]
    api.get(f"{NODES}/n1")
    assert api.calls == {("GET", 0): 1, ("GET", 503): 1, ("GET", 200): 1}
