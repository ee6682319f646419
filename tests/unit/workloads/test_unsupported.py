"""The table of calls that sandboxes did not know."""

from __future__ import annotations

import pytest

from nodeprov.workloads.unsupported import Note, PodNotes, Row, rows


def pod(name: str, *notes: Note, uid: str = "") -> PodNotes:
    return PodNotes("shop", name, uid or name, notes)


@pytest.mark.parametrize(
    ("name", "workload"),
    [
        ("web-7c9d4f8b6d-x2v5z", "web"),
        ("agent-x2v5z", "agent"),
        ("db-0", "db"),
        ("web-two-5f7bcd-zzzzz", "web-two"),
        ("alone", "alone"),
        ("alone-again", "alone-again"),
        ("web-aeiou", "web-aeiou"),
    ],
)
def test_a_pod_is_known_by_what_made_it(name: str, workload: str) -> None:
    assert pod(name).workload == workload


def test_pods_are_counted_by_workload_and_call() -> None:
    early, late = Note("io_uring_setup", "2026-11-01T00:00:00Z"), Note("io_uring_setup", "2026-11-02T00:00:00Z")
    timeless = Note("sync_file_range", "")
    found = rows(
        [
            ("worker2", [pod("web-7c9d4f8b6d-x2v5z", late, timeless)]),
            ("worker1", [pod("web-7c9d4f8b6d-b2v5z", early, early), pod("db-0", late), pod("idle")]),
        ]
    )
    assert found == [
        Row("shop", "db", "io_uring_setup", 1, late.time, ("worker1",)),
        Row("shop", "web", "io_uring_setup", 2, early.time, ("worker1", "worker2")),
        Row("shop", "web", "sync_file_range", 1, "", ("worker2",)),
    ]
