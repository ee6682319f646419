"""What gVisor has noted of calls, as it is read from a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_program
from nodeprov.runtimes.gvisor.call_log import CallsQuery
from nodeprov.workloads.unsupported import Note, PodNotes

UID = "f560e3ce-4de5-4252-b124-91b9073ef05f"
# As gVisor 20260905.0 writes them.
RSEQ = (
    '{"log":"compat.go:120] Unsupported syscall rseq(0x5ecce0,0x20,0x0,0x53053053,0x0,0x5ec000). It is '
    "likely that you can safely ignore this message and that this is not the cause of any error. Please, refer to "
    'https://gvisor.dev/c/linux/amd64/rseq for more information.","level":"info",'
    '"time":"2026-11-28T22:41:35.67911968Z"}'
)
LANDLOCK = RSEQ.replace("rseq", "sys_444")
OPTION = RSEQ.replace("rseq(0x5ecce0,0x20,0x0,", "setsockopt(0x3,0x1,0x3c,")


def read(text: str) -> list[PodNotes]:
    return CallsQuery().parse(Output(0, text.encode(), b""))


def test_notes_are_read_with_what_tells_calls_apart() -> None:
    folder = f"shop_web-0_{UID}"
    time = "2026-11-28T22:41:35Z"
    (found,) = read("".join(f"{folder} {line}\n" for line in (RSEQ, LANDLOCK, OPTION)))
    assert (found.namespace, found.pod, found.uid) == ("shop", "web-0", UID)
    assert found.notes == (
        Note("rseq", time),
        Note("landlock_create_ruleset", time),
        Note("setsockopt 0x1 0x3c", time),
    )


@pytest.mark.parametrize(
    "line",
    ["", "no JSON", "[1]", "{", '{"log": 5}', json.dumps({"log": "Starting gVisor", "time": "now"}), "[" * 5000],
)
def test_what_a_sandbox_may_write_besides_is_left_out(line: str) -> None:
    (found,) = read(f"shop_web-0_{UID}\nshop_web-0_{UID} {line}\n")
    assert found.notes == ()


def test_a_sandbox_writes_no_line_of_another_pod() -> None:
    other = f"bank_safe-0_{UID} {RSEQ}"
    for end in ("\u2028", "\x85", "\x0b", "\r", "\x1e"):
        (found,) = read(f"shop_web-0_{UID} {{}}{end}{other}\n")
        assert (found.pod, found.notes) == ("web-0", ())


def test_arguments_without_end_are_cut() -> None:
    (found,) = read(f"shop_web-0_{UID} {OPTION.replace('0x3c', 'x' * 5000)}\n")
    assert len(found.notes[0].call) < 100


def test_a_time_that_is_none_is_left_out() -> None:
    (found,) = read(f"shop_web-0_{UID} {RSEQ.replace('2026-11-28T22:41:35.67911968Z', 'x' * 9)}\n")
    assert found.notes == (Note("rseq", ""),)


def test_a_folder_of_another_name_is_no_pods() -> None:
    assert read(f"mine {RSEQ}\n\n") == []


def test_a_node_that_cannot_be_read_is_said_to_be_so() -> None:
    with pytest.raises(NodeprovError, match="cannot be read: denied"):
        CallsQuery().parse(Output(1, b"", b"denied"))


def test_the_script_tells_pods_apart(tmp_path: Path) -> None:
    for name, text in (("a_b_1", f"{RSEQ}\n{OPTION}\n"), ("a_c_2", ""), ("a_d_3", RSEQ)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gvisor.log").write_text(text)
    (tmp_path / "a_e_4").mkdir()
    (tmp_path / "a_e_4" / "gvisor.log").symlink_to(tmp_path / "a_b_1" / "gvisor.log")  # a pod's own doing
    script = CallsQuery().script.replace("/var/log/pods", str(tmp_path))
    found = read(run_program(["sh", "-c", script]).text)
    assert [(each.pod, [note.call for note in each.notes]) for each in found] == [
        ("b", ["rseq", "setsockopt 0x1 0x3c"]),
        ("c", []),
        ("d", ["rseq"]),
    ]
