"""Which version of the configuration a containerd reads."""

from __future__ import annotations

import re
import tomllib

import pytest

from nodeprov.containerd import Config, Refused, add_runtime, begun, empty_config, remove_runtime, unread
from nodeprov.containerd.versions import newest_version, release_of
from tests.support.containerd_texts import RUNSC, V2, V3


@pytest.mark.parametrize("text", ["", "# nothing\r\n\r\n", "# nothing", "\n\n"])
@pytest.mark.parametrize("daemon", ["1.6.20", "1.7.29", "2.2.0", "2.4.2"])
def test_a_file_that_says_nothing_is_begun_as_the_daemons_own_version_and_ended(text: str, daemon: str) -> None:
    added = add_runtime(begun(Config(text), daemon).text, RUNSC)
    assert Config(added).version == newest_version(release_of(daemon))
    assert Config(added).declared("runsc") == RUNSC.table()
    assert remove_runtime(added, RUNSC) == text


def test_what_others_wrote_into_a_file_that_was_begun_keeps_its_version() -> None:
    theirs = "[debug]\nlevel = 'info'\n"
    left = remove_runtime(add_runtime(begun(Config(""), "2.4.2").text, RUNSC) + theirs, RUNSC)
    assert tomllib.loads(left) == {"version": 4, "debug": {"level": "info"}}


def test_a_file_that_says_something_is_not_begun() -> None:
    assert begun(Config("root = '/r'"), "2.4.2").text == "root = '/r'"


UNREAD = {
    "a file as it should be": (
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]",
        "1.7.29",
    ),
    "an older file": ("version = 2\n", "2.4.2"),
    "no version, which 2.3 moves where it belongs": ("[plugins.cri]\n", "2.3.0"),
    "a file that says nothing": ("# nothing\n", "2.1.5"),
    "a byte order mark, over which 1.x reads": ("\ufeff# nothing\n", "1.7.29"),
}


@pytest.mark.parametrize(("text", "daemon"), UNREAD.values(), ids=UNREAD)
def test_a_daemon_reads_the_versions_it_knows(text: str, daemon: str) -> None:
    assert [each.message for each in unread(Config(text), daemon)] == []


TWO = f"[plugins.{V2}.runc]\nbase_runtime_spec = '/r'\n"
THREE = f"[plugins.{V3}.runc]\nbase_runtime_spec = '/r'\n"
ALSO = '[plugins."io.containerd.grpc.v1.cri"]\nstream_server_port = "10010"\n'


# Tried on 2.1.5 and 2.4.2.
@pytest.mark.parametrize(
    ("text", "daemon", "lost"),
    [
        (f"version = 2\n{TWO}{THREE}", "2.1.5", True),
        (f"version = 2\n{TWO}{THREE}", "2.4.2", True),
        (f"version = 2\n{TWO}[plugins.{V3.rpartition('.')[0]}]\ndefault_runtime_name = 'runc'\n", "2.4.2", False),
        (f"version = 3\n{TWO}", "2.4.2", True),
        (f"version = 3\n{TWO}", "2.1.5", False),
        (f"version = 3\n{TWO}{THREE}", "2.4.2", False),
        (f"version = 3\n{ALSO}", "2.4.2", False),
        (f"version = 4\n{TWO}", "2.4.2", False),
        (TWO, "2.4.2", True),
        (f"version = 2\n{TWO}{THREE}", "1.7.29", False),
    ],
)
def test_runtimes_of_two_versions_are_told_where_one_of_them_would_be_lost(
    text: str, daemon: str, lost: bool
) -> None:
    said = [each.message for each in unread(Config(text), daemon)]
    assert len(said) == lost
    assert all(each.startswith("has the CRI plugin's settings for two versions") for each in said)


@pytest.mark.parametrize(
    ("text", "daemon", "reason"),
    [
        ("version = 4\n", "2.2.7", "states version 4, and containerd 2.2 reads no more than version 3"),
        ("version = 3\n", "1.7.29", "states version 3, and containerd 1.7 reads no more than version 2"),
        (
            "root = '/r'\n",
            "2.0.11",
            r"states no version, or version 1, whose \[plugins.cri\] containerd 2.0 ignores",
        ),
        ("\ufeffversion = 2\n", "2.4.2", "begins with a byte order mark, and containerd 2.4 does not start"),
        ("version = 2\n", "1.6.20", "declares no runtime: with ours containerd 1.6 would have that one alone"),
        ("root = '/r'\n", "1.7.29", "declares no runtime: with ours"),
    ],
)
def test_what_a_daemon_does_not_read_is_told_with_a_way_out(text: str, daemon: str, reason: str) -> None:
    (refused,) = unread(Config(text), daemon)
    assert re.search(reason, refused.message)
    assert refused.hint


@pytest.mark.parametrize("version", ["1.6.20~ds1", "v1.7.29", "2.0.0-rc.1", "2.4.2+unknown"])
def test_a_runtime_can_be_added_to_the_configuration_made_for_a_containerd_without_one(version: str) -> None:
    text = empty_config(version)
    assert remove_runtime(add_runtime(text, RUNSC), RUNSC) == text
    assert (Config(text).declared("runc") is not None) == ("1." in version[:3])


def test_no_configuration_is_made_for_what_is_no_version() -> None:
    with pytest.raises(Refused):
        empty_config("unknown")
