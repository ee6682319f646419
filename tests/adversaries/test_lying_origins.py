"""Every lie of an origin that we thought of is refused before a release is made of it; the words were reviewed."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.redaction import visible
from nodeprov.releases.obtain import Release, obtain, resolve
from nodeprov.releases.pace import Limits
from nodeprov.releases.source import ReleaseSource
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.adversaries.lying_origin import LIES, LIMITS, SUM, VERSION, self_signed
from tests.support.memory import forget_peak, peak_kib
from tests.support.release_server import ReleaseServer, archived, serving, status
from tests.support.samples import golden_part

GOLDEN = "releases/lies.txt"
TITLE = "What is said to origins that lie. Made by tests/adversaries/test_lying_origins.py; read it as code.\n"


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    with serving() as server:
        publish(server)
        yield server


def publish(server: ReleaseServer) -> None:
    server.files.clear()
    server.faults.clear()
    server.publish(VERSION, archived(VERSION))
    server.publish("latest", archived(VERSION))


def fetch(url: str, cache: Path, version: str = VERSION, limits: Limits = LIMITS) -> Release:
    source = ReleaseSource(SOFTWARE, url, cache, lambda *_: None, limits=limits)
    return obtain(source, resolve(source, version, "x86_64"), "x86_64")


def shown(said: str, url: str) -> str:
    """Write what is said as a person sees it, without what differs from run to run."""
    said = re.sub(r"\b[0-9a-f]{128}\b", "(128 digits)", said.replace(url, "http://mirror"))
    said = re.sub(r"it sends \d+ ", "it sends 20 ", said)
    return visible(re.sub(r"/further/\d+", "/further/7", said))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused_with_the_place_what_was_expected_and_what_to_do(
    server: ReleaseServer, tmp_path: Path, name: str
) -> None:
    lie, cache = LIES[name], tmp_path / "cache"
    lie.tell(server)
    with pytest.raises(NodeprovError) as caught:
        fetch(server.url, cache, lie.version, lie.limits)
    error = caught.value
    assert error.message.startswith(lie.said)
    assert error.where.startswith(server.url)
    assert error.hint
    assert "\n" not in error.message
    golden_part(GOLDEN, TITLE, name, list(LIES), shown(str(error), server.url))
    assert not list(cache.rglob("record.json")), "a release was made of it"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) < 32 << 20
    publish(server)
    assert fetch(server.url, cache).version == VERSION, "an honest origin is not believed any more"


def test_a_redirect_from_tls_to_none_is_refused_wherever_it_comes(
    server: ReleaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, pem = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    with serving(ReleaseServer(context)) as secure:
        publish(secure)
        secure.faults[SUM] = [status(307, Location=f"{secure.url}/hop")]
        secure.faults["/hop"] = [status(307, Location=server.url + SUM)]
        with pytest.raises(NodeprovError, match=r"it redirects to 127\.0\.0\.1, without TLS"):
            fetch(secure.url, tmp_path / "cache")
        assert server.requests == []
        secure.faults[SUM] = [status(307, Location=f"{secure.url}/hop")]
        secure.files["/hop"] = secure.files[SUM]
        assert fetch(secure.url, tmp_path / "cache").version == VERSION


def _peak_kib(url: str, cache: Path, answer: multiprocessing.SimpleQueue[int]) -> None:
    """Fetch in a process of its own; tell how much more memory it took than to begin with."""
    forget_peak()
    before = peak_kib()
    with pytest.raises(NodeprovError):
        fetch(url, cache)
    answer.put(peak_kib() - before)


@pytest.mark.parametrize("name", [name for name in LIES if "10 GB" in name])
def test_the_memory_for_10_gigabytes_is_bounded(server: ReleaseServer, tmp_path: Path, name: str) -> None:
    LIES[name].tell(server)
    spawn = multiprocessing.get_context("spawn")
    answer: multiprocessing.SimpleQueue[int] = spawn.SimpleQueue()
    run = spawn.Process(target=_peak_kib, args=(server.url, tmp_path / "cache", answer))
    run.start()
    run.join()
    assert run.exitcode == 0
    assert answer.get() < 64 << 10
