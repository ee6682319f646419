from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.inventory import Inventory, parse
from nodeprov.inventory.locked import contradictions, is_meant, locked, with_trust_below

RELEASE = "20260905.0"
LOCKED = {"x86_64": {"gvisor.tar.zstd": "a" * 128}}
TEXT = """
[release]
version = "{}"
[nodes.worker1]
[nodes.worker2]
"""


def read(version: str = RELEASE, more: str = "") -> Inventory:
    return parse(TEXT.format(version) + more, "/etc/nodeprov/nodeprov.toml")


@pytest.mark.parametrize("wanted", ["latest", "20260905", RELEASE])
def test_every_node_gets_what_is_locked(wanted: str) -> None:
    for node in locked(read(wanted), RELEASE, LOCKED).nodes:
        assert (node.settings.release.version, node.settings.release.sha512) == (RELEASE, LOCKED)


def test_a_node_that_wants_another_release_is_left_for_the_refusal() -> None:
    whole = read("latest", 'release.version = "20260101.0"\n')
    assert whole.nodes[1].settings.release.version == "20260101.0"
    first, second = locked(whole, RELEASE, LOCKED).nodes
    assert first.settings.release.version == RELEASE
    assert second == whole.nodes[1]


@pytest.mark.parametrize(
    ("wanted", "is_so"),
    [("latest", True), ("20260905", True), (RELEASE, True), ("2026090", False), ("20260905.1", False)],
)
def test_what_a_version_may_mean(wanted: str, is_so: bool) -> None:
    assert is_meant(wanted, RELEASE) is is_so


def test_pins_that_contradict_are_said_once() -> None:
    digest = "b" * 128
    pins = f'[release.sha512]\nx86_64 = {{"gvisor.tar.zstd" = "{digest}"}}\naarch64 = {{runsc = "{digest}"}}\n'
    [said] = contradictions(read(more=pins), LOCKED)
    assert "pins gvisor.tar.zstd for x86_64" in said
    assert list(contradictions(read(more=pins.replace("b" * 128, "a" * 128)), LOCKED)) == []


def test_paths_of_trust_are_below_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    more = '[trust]\nlock = "x.lock"\nallowed_signers = "/etc/signers"\napt_keyring = "~/keys"\n'
    for node in with_trust_below(read(more=more), Path("/etc/nodeprov")).nodes:
        trust = node.settings.trust
        assert (trust.lock, trust.allowed_signers, trust.apt_keyring) == (
            "/etc/nodeprov/x.lock",
            "/etc/signers",
            "/home/ann/keys",
        )
    whole = read()
    assert with_trust_below(whole, Path("/etc/nodeprov")) is whole
