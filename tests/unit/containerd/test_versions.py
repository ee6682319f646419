"""Which version of the configuration a containerd reads."""

from __future__ import annotations

import re
import tomllib

import pytest

from nodeprov.containerd import (
    RUNTIMES_PATHS,
    Config,
    Refused,
    add_runtime,
    begun,
    dead_tables,
    empty_config,
    lacks_runc,
    on_line,
    remove_runtime,
    runtimes_place,
    unread,
)
from nodeprov.containerd.versions import newest_version, release_of
from tests.support.containerd_texts import RUNSC, V2
from tests.support.places import ALSO, DEAD, NO_RUNTIME, READ_AT, runc


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


ROWS = [(text, daemon, place) for rows in READ_AT.values() for text, daemons, place in rows for daemon in daemons]


@pytest.mark.parametrize(("text", "daemon", "place"), ROWS)
def test_a_runtime_stands_where_this_containerd_reads_it_in_this_file(text: str, daemon: str, place: int) -> None:
    assert runtimes_place(Config(text), daemon) == RUNTIMES_PATHS[place]
    assert [each.message for each in unread(Config(text), daemon)] == []
    added = add_runtime(text, RUNSC, daemon_version=daemon)
    assert Config(added).table((*RUNTIMES_PATHS[place], "runsc")) == RUNSC.table()
    assert runtimes_place(Config(added), daemon) == RUNTIMES_PATHS[place]
    assert add_runtime(added, RUNSC, daemon_version=daemon) == added
    assert remove_runtime(added, RUNSC) == text


def test_without_a_daemon_the_version_of_the_file_says_the_place() -> None:
    assert runtimes_place(Config(runc(3))) == RUNTIMES_PATHS[1]
    assert runtimes_place(Config(f"version = 3\n{runc(2)}")) == RUNTIMES_PATHS[3]


@pytest.mark.parametrize(("text", "daemon"), DEAD)
def test_a_table_of_somebody_else_in_another_versions_place_is_named_and_stays(text: str, daemon: str) -> None:
    (path,) = dead_tables(Config(text), "runsc", daemon)
    assert on_line(Config(text), path).startswith(" (line ")
    added = add_runtime(text, RUNSC, daemon_version=daemon)
    assert added.startswith(text)
    assert dead_tables(Config(added), "runsc", daemon) == (path,)
    assert remove_runtime(added, RUNSC) == text


def test_a_table_of_ours_in_another_versions_place_goes_when_the_right_one_comes() -> None:
    """As after an upgrade of containerd whose new file was written beside what the old one had."""
    old, new = f"version = 3\n{runc(3)}", add_runtime(f"version = 2\n{runc(2)}", RUNSC, daemon_version="1.7.35")
    both = old + new.removeprefix(f"version = 2\n{runc(2)}")
    assert dead_tables(Config(both), "runsc", "2.4.2") == ((*RUNTIMES_PATHS[2], "runsc"),)
    added = add_runtime(both, RUNSC, daemon_version="2.4.2")
    assert dead_tables(Config(added), "runsc", "2.4.2") == ()
    assert remove_runtime(added, RUNSC) == old


@pytest.mark.parametrize(
    ("text", "daemon", "reason"),
    [
        (
            runc(1, 2),
            "2.4.2",
            r"states no version, and has the CRI plugin's settings for two versions: "
            r"of \[plugins.cri\] \(line 1\) "
            r'and \[plugins."io.containerd.grpc.v1.cri"\] \(line 3\) containerd 2.4 takes either',
        ),
        (f"version = 1\n[plugins.cri]\nx = 1\n{ALSO}", "2.3.4", r"states version 1, and has .* \(line 2\)"),
        (runc(1), "2.1.9", r"states no version, and containerd 2.1 then ignores \[plugins.cri\] \(line 1\)"),
        (f"version = 1\n{ALSO}", "2.0.14", r"states version 1, and containerd 2.0 then ignores \[plugins.\"io"),
        (
            f"version = 2\n{runc(1)}",
            "1.7.35",
            r"states version 2 and has \[plugins.cri\] \(line 2\): containerd 1.7 does not start so",
        ),
    ],
)
def test_what_a_containerd_reads_by_chance_or_not_at_all_is_named_with_its_line(
    text: str, daemon: str, reason: str
) -> None:
    (refused,) = unread(Config(text), daemon)
    assert re.match(reason, refused.message), refused.message
    assert refused.hint.startswith("write ")


class TestFilesWithoutRuntimes:
    @pytest.mark.parametrize("daemon", ["1.6.20", "1.7.35"])
    @pytest.mark.parametrize(("text", "place"), NO_RUNTIME)
    def test_on_1x_runc_is_declared_too_as_its_default_has_it(self, text: str, place: int, daemon: str) -> None:
        assert lacks_runc(Config(text), daemon)
        assert [each.message for each in unread(Config(text), daemon)] == []
        added = add_runtime(text, RUNSC, daemon_version=daemon)
        mode = {"sandbox_mode": "podsandbox"} if daemon == "1.7.35" else {}
        wanted = {"runc": {"runtime_type": "io.containerd.runc.v2", **mode}, "runsc": RUNSC.table()}
        assert Config(added).table(RUNTIMES_PATHS[place]) == wanted
        assert not lacks_runc(Config(added), daemon)
        assert add_runtime(added, RUNSC, daemon_version=daemon) == added
        assert remove_runtime(added, RUNSC) == text

    def test_runc_stays_as_long_as_another_runtime_would_take_its_place(self) -> None:
        added = add_runtime("version = 2\n", RUNSC, daemon_version="1.7.35")
        theirs = f"[plugins.{V2}.kata]\nruntime_type = 'io.containerd.kata.v2'\n"
        assert set(Config(remove_runtime(added + theirs, RUNSC)).table(RUNTIMES_PATHS[2]) or ()) == {
            "runc",
            "kata",
        }

    def test_runc_stays_when_somebody_has_given_it_options(self) -> None:
        added = add_runtime("version = 2\n", RUNSC, daemon_version="1.7.35")
        theirs = f"[plugins.{V2}.runc.options]\nSystemdCgroup = true\n"
        assert Config(remove_runtime(added + theirs, RUNSC)).table((*RUNTIMES_PATHS[2], "runc", "options"))

    def test_runc_of_somebody_else_stays(self) -> None:
        theirs = f"version = 2\n[plugins.{V2}.runc]\nruntime_type = 'io.containerd.runc.v2'\n"
        assert remove_runtime(add_runtime(theirs, RUNSC, daemon_version="1.6.20"), RUNSC) == theirs

    def test_containerd_2_has_its_default_runtimes_all_the_same(self) -> None:
        assert not lacks_runc(Config("version = 2\n"), "2.4.2")
        assert (
            "runc"
            not in (Config(add_runtime("version = 3\n", RUNSC, daemon_version="2.4.2")).text.split("runsc")[0])
        )


@pytest.mark.parametrize(
    ("text", "daemon", "reason"),
    [
        ("version = 4\n", "2.2.7", "states version 4, and containerd 2.2 reads no more than version 3"),
        ("version = 3\n", "1.7.29", "states version 3, and containerd 1.7 reads no more than version 2"),
        ("\ufeffversion = 2\n", "2.4.2", "begins with a byte order mark, and containerd 2.4 does not start"),
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
