from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.lock_asking import Asking
from nodeprov.errors import UsageError
from nodeprov.inventory import parse

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


def test_nodes_that_have_two_origins_cannot_have_one_lock() -> None:
    with pytest.raises(UsageError, match="several origins"):
        asking('release.base_url = "https://mirror"\n').source()


def test_witnesses_of_the_inventory_and_of_the_command_are_asked() -> None:
    evidence = asking().evidence(["https://other", "https://mirror/{release}"])
    assert evidence.second_origins == ["https://mirror/{release}", "https://other"]
    assert evidence.verify is None


def test_a_keyring_has_the_suite_asked(tmp_path: Path) -> None:
    text = TEXT.replace("[trust]\n", f'[trust]\napt_keyring = "{tmp_path}/none"\n')
    verify = Asking(parse(text, "nodeprov.toml"), lambda *_: None).evidence().verify
    assert verify
    with pytest.raises(UsageError, match="cannot read the keyring"):
        verify(b"", "InRelease")
