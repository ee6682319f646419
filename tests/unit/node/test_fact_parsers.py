"""Columns and lines that programs of a node print."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from nodeprov.node import fact_parsers as parse
from nodeprov.node.daemon import Identity, Plugin, Record
from nodeprov.node.state import Mount
from tests.support.facts_answers import FRESH, RUNTIME_TABLE_1X, daemon_of
from tests.support.samples import CRI


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("containerd github.com/containerd/containerd/v2 v2.4.2 ", (2, 4, 2)),
        ("containerd github.com/containerd/containerd/v2 v2.1.0-rc.1 061792f0", (2, 1, 0)),
        ("containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da", (1, 7, 27)),
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1", (1, 6, 20)),
        ("containerd github.com/k3s-io/containerd v2.0.5-k3s1", (2, 0, 5)),
        ("containerd github.com/containerd/containerd/v2 unknown", ()),
        ("", ()),
    ],
)
def test_a_version_is_found_in_what_containerd_says(text: str, version: tuple[int, ...]) -> None:
    assert parse.version(text) == version


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("100ms", 0.1),
        ("1min 500ms", 60.5),
        ("1min 30s", 90.0),
        ("2h 1min", 7260.0),
        ("250us", 0.00025),
        ("0", 0.0),
        ("", 0.0),
        ("infinity", 0.0),
    ],
)
def test_a_span_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse.span(text) == pytest.approx(seconds)


def test_mounts_are_read_with_their_escapes() -> None:
    text = (
        "/dev/sda1 / ext4 rw,relatime 0 0\n"
        "/dev/sdb1 /mnt/my\\040disk\\011x ext4 ro,noexec 0 0\n"
        "tmpfs /mnt/back\\134slash tmpfs rw 0 0\n"
        "/dev/sdc1 /mnt/größe xfs rw 0 0\n"
        "\n"
    )
    assert parse.mounts(text) == (
        Mount("/", frozenset({"rw", "relatime"}), "ext4"),
        Mount("/mnt/my disk\tx", frozenset({"ro", "noexec"}), "ext4"),
        Mount("/mnt/back\\slash", frozenset({"rw"}), "tmpfs"),
        Mount("/mnt/größe", frozenset({"rw"}), "xfs"),
    )


def test_plugins_of_1x_are_read() -> None:
    assert parse.plugins(RUNTIME_TABLE_1X) == (
        Plugin("io.containerd.content.v1", "content", "ok"),
        Plugin("io.containerd.snapshotter.v1", "btrfs", "skip"),
        Plugin("io.containerd.grpc.v1", "introspection", "ok"),
        Plugin("io.containerd.grpc.v1", "cri", "error"),
    )


def test_the_parts_of_cri_in_2x_are_read_from_a_real_table() -> None:
    parts = [plugin for plugin in daemon_of(FRESH).plugins if "cri" in plugin.type + plugin.id]
    assert sorted(parts, key=str) == sorted(CRI, key=str)


def test_a_record_is_read_back_as_it_was_written() -> None:
    identity = Identity("boot-1", 400, 900)
    text = json.dumps({**asdict(identity), "dump": "version = 3\n"})
    assert parse.record(text) == Record(identity, "version = 3\n")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', '{"boot_id": "b", "pid": "x", "start_ticks": 1}', "{}"]
)
def test_a_record_that_is_not_understood_is_no_evidence(text: str) -> None:
    assert parse.record(text) is None
