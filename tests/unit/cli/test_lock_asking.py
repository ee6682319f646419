from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.lock_asking import Asking
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import parse
from tests.support.signing import suite_key

TEXT = """
[release]
version = "20260905.0"
[trust]
witnesses = ["https://mirror/{release}"]
[nodes.worker1]
[nodes.worker2]
"""


def asking(more: str = "") -> Asking:
    return Asking(parse(TEXT + more, "nodeprov.toml"), lambda *_: None)


def test_what_all_nodes_want_is_locked() -> None:
    assert asking().wanted() == "20260905.0"
    assert asking().source().base_url == "https://storage.googleapis.com/gvisor/releases"


def test_nodes_that_want_two_releases_need_a_word() -> None:
    two = asking('release.version = "latest"\n')
    assert two.versions() == ["20260905.0", "latest"]
    with pytest.raises(UsageError, match="nodeprov lock --release DATE"):
        two.wanted()


def test_what_other_handlers_want_counts_too() -> None:
    two = asking('[handlers.second.release]\nversion = "20261005.0"\n')
    assert two.versions() == ["20260905.0", "20261005.0"]


def test_nodes_that_have_two_origins_cannot_have_one_lock() -> None:
    with pytest.raises(UsageError, match="several origins"):
        asking('release.base_url = "https://mirror"\n').source()


def test_witnesses_of_the_inventory_and_of_the_command_are_asked() -> None:
    evidence = asking().evidence(["https://other", "https://mirror/{release}"])
    assert evidence.second_origins == ["https://mirror/{release}", "https://other"]
    assert evidence.verify is None


def with_keyring(keyring: Path) -> Asking:
    text = TEXT.replace("[trust]\n", f'[trust]\napt_keyring = "{keyring}"\n')
    return Asking(parse(text, "nodeprov.toml"), lambda *_: None)


def test_a_keyring_has_the_suite_asked() -> None:
    verify = with_keyring(suite_key().public).evidence().verify
    assert verify
    assert verify(suite_key().clearsigned("Suite: x\n"), "InRelease") == (b"Suite: x\n", suite_key().fingerprint)


def test_keys_that_cannot_be_used_are_said_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="cannot read the keyring"):
        with_keyring(tmp_path / "none").evidence()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeprovError, match="apt-get install gpgv"):
        with_keyring(suite_key().public).evidence()
