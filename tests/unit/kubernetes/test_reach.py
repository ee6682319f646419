"""An API server that is away for a moment, in the words of kubectl, which is played by a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import Cancelled, NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.kubernetes import reach as module
from nodeprov.kubernetes.kubectl import Kubectl
from nodeprov.kubernetes.reach import Reach, is_out_of_reach

REFUSED = "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
FORBIDDEN = (
    'Error from server (Forbidden): pods is forbidden: User "ann" cannot list resource "pods" in API group ""'
)
CALLING_WEBHOOK = (
    'Error from server (InternalError): error when creating "STDIN": Internal error occurred: failed calling '
    'webhook "a.example.com": failed to call webhook: Post "https://a.shop.svc:443/": dial tcp 10.96.0.9:443: '
    "connect: connection refused"
)


@pytest.mark.parametrize(
    "said",
    [
        REFUSED,
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "Unable to connect to the server: EOF",
        "Unable to connect to the server: dial tcp: lookup api.example.com: no such host",
        'error: error validating "STDIN": error validating data: failed to download openapi: Get '
        '"https://10.0.0.1:6443/openapi/v3": dial tcp 10.0.0.1:6443: connect: connection refused; if you choose '
        "to ignore these errors, turn validation off with --validate=false",
        'error when creating "STDIN": Post "https://10.0.0.1:6443/api/v1/namespaces/a/pods": EOF',
        'Get "https://10.0.0.1:6443/api/v1/pods": read tcp 10.0.0.2:1->10.0.0.1:6: read: connection reset by peer',
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request (get pods)",
        'Error from server (InternalError): an error on the server ("<html>502 Bad Gateway</html>") has prevented '
        "the request from succeeding",
        "Error from server (TooManyRequests): the server has received too many requests and has asked us to wait",
        "Error from server (Timeout): the server was unable to return a response in the time allotted, but may "
        "still be processing the request",
        "Error from server: etcdserver: leader changed",
        'Error from server (Forbidden): pods "a" is forbidden: not yet ready to handle request',
        'error: error validating "STDIN": error validating data: unknown; if you choose to ignore these errors, '
        "turn validation off with --validate=false",  # by kubectl 1.36.3, of one that has just begun
        f"a line before it; {REFUSED}",
    ],
)
def test_what_kubectl_says_of_a_server_that_is_away(said: str) -> None:
    assert is_out_of_reach(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        FORBIDDEN,
        CALLING_WEBHOOK,
        'Error from server (NotFound): pods "x" not found',
        'Error from server: Get "https://10.0.0.3:10250/containerLogs/a/b/c": dial tcp 10.0.0.3:10250: connect: '
        "connection refused",
        'error: error validating "STDIN": error validating data: unknown object type "nil" in List.items[0]',
        "error: timed out waiting for the condition on pods/web",
    ],
)
def test_an_answer_is_no_absence(said: str) -> None:
    assert not is_out_of_reach(said)


class Played:
    """A kubectl that says something in its first calls, and is well then."""

    def __init__(self, folder: Path, *said: str) -> None:
        for number, each in enumerate(said, start=1):
            (folder / f"said-{number}").write_text(each)
        program, calls = folder / "kubectl", folder / "calls"
        program.write_text(f"""#!/bin/sh
echo "$*" >> {calls}
said={folder}/said-$(wc -l < {calls})
[ ! -e "$said" ] || {{ cat "$said" >&2; exit 1; }}
echo well
""")
        program.chmod(0o755)
        self.calls, self.pauses = calls, list[float]()
        self.reach = Reach(Kubectl((str(program),)), LocalHost(), self.pauses.append)


def test_a_call_is_made_again_until_the_server_is_back(tmp_path: Path) -> None:
    played = Played(tmp_path, REFUSED, REFUSED)
    before = played.reach.now()
    assert played.reach.run("get", "pods", doing="cannot look") == "well\n"
    assert played.pauses == [module.PAUSE_SECONDS] * 2
    assert played.reach.lost_seconds > 0
    assert played.reach.now() - before < played.reach.lost_seconds  # its clock stood still meanwhile


def test_a_server_that_has_just_begun_does_not_know_yet_who_may_do_what(tmp_path: Path) -> None:
    unauthorized = "error: You must be logged in to the server (Unauthorized)"
    played = Played(tmp_path, REFUSED, FORBIDDEN, unauthorized)
    assert played.reach.run("get", "pods", doing="cannot look") == "well\n"


def test_who_is_forbidden_something_is_told_so_at_once(tmp_path: Path) -> None:
    played = Played(tmp_path, FORBIDDEN)
    with pytest.raises(NodeprovError, match="Forbidden"):
        played.reach.run("get", "pods", doing="cannot look")
    assert played.pauses == []


def test_a_server_that_stays_away_is_one_plain_error_and_nobody_waits_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.1)
    played = Played(tmp_path, *[REFUSED] * 99)
    with pytest.raises(
        NodeprovError, match="cannot look: the API server has not answered for 0 s: The conn"
    ) as caught:
        played.reach.run("get", "pods", doing="cannot look")
    assert caught.value.hint.endswith("kubectl get nodes")
    calls = len(played.calls.read_text().splitlines())
    with pytest.raises(NodeprovError, match="cannot clean up: the API server"):
        played.reach.run("delete", "pods", doing="cannot clean up")
    assert len(played.calls.read_text().splitlines()) == calls + 1


def test_who_interrupts_is_not_waited_for(tmp_path: Path) -> None:
    def interrupted(_seconds: float) -> None:
        raise Cancelled

    played = Played(tmp_path, REFUSED)
    played.reach.sleep = interrupted
    with pytest.raises(Cancelled):
        played.reach.run("get", "pods", doing="cannot look")
