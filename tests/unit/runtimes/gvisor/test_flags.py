"""Flags that a release does not take: a real runsc is asked, where the lab has built one; else its bytes."""

import os
import shutil
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.inventory import RuntimeSettings
from nodeprov.kubernetes.images import probe
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.gvisor import flags as flags_module
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.gvisor.flags import flag_problems
from nodeprov.runtimes.requirements import check
from tests.support.real_releases import BUILT
from tests.support.runtimes import state_of
from tests.support.samples import good_facts, release, settings

OTHERS = b'\x7fELF of another processor flag:"debug" flag:"debug-log" flag:"network" old-one'
real = pytest.mark.parametrize(
    "program", BUILT or [pytest.param(None, marks=pytest.mark.skip(reason="no lab here"))]
)


def said(program: Path, **given: str) -> list[str]:
    wanted = {name.replace("_", "-"): value for name, value in given.items()}
    all_flags = {"platform": "systrap", "systemd-cgroup": "true", **wanted}
    return [each.message for each in flag_problems(program, "20260905.0", all_flags, wanted)]


@real
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"nosuch": "1"}, ["flag provided but not defined: -nosuch"]),
        ({"debug": "maybe"}, ['invalid boolean value "maybe" for -debug: parse error']),
        ({"network": "foo"}, ['invalid value "foo" for flag -network: invalid network type "foo"']),
        ({"num_network_channels": "x"}, ['invalid value "x" for flag -num-network-channels: parse error']),
        ({"num_network_channels": "0"}, ["num_network_channels must be > 0"]),
        ({"file_access": "shared", "overlay2": "all:memory"}, ["incompatible with shared file access"]),
        ({"nosuch": "1", "debug": "true", "other": "2"}, ["-nosuch", "-other"]),
        ({"version": "true"}, ["--version=true: runsc version"]),
        ({"help": "true"}, ["--help=true: "]),
        ({"debug_log": "a\0b"}, ["a NUL cannot be a part of the value for -debug-log"]),
    ],
)
def test_what_a_release_does_not_take_is_said_in_its_own_words(
    program: Path, given: dict[str, str], expected: list[str]
) -> None:
    found = said(program, **given)
    assert len(found) == len(expected)
    for message, part in zip(found, expected, strict=True):
        assert message.startswith("gVisor 20260905.0 does not take [runtime.flags]: ")
        assert part in message


@real
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"debug": "true", "debug_log": "/var/log/runsc/%ID%/", "network": "host", "overlay2": "root:self"},
        {"watchdog_action": "panic", "directfs": "F", "file_access": "shared", "overlay2": "none"},
        {"vfs2": "true"},
    ],
)
def test_what_it_takes_is_no_problem(program: Path, given: dict[str, str]) -> None:
    assert said(program, **given) == []


@real
def test_it_is_asked_once_for_all_nodes(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = said(program, nosuch="asked once")
    monkeypatch.setattr(flags_module, "run_program", None)
    assert said(program, nosuch="asked once") == first != []


@pytest.mark.parametrize("is_other", [True, False], ids=["another processor", "no such rooms here"])
def test_where_it_cannot_be_asked_a_name_that_it_does_not_contain_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_other: bool
) -> None:
    program = tmp_path / "runsc"
    program.write_bytes(OTHERS)
    if not is_other:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert said(program, network="foo", debug="true", old_one="x") == []
    (problem,) = said(program, network="foo", nosuch="1")
    assert problem.endswith("flag provided but not defined: -nosuch")


def test_of_a_program_that_is_no_runsc_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "runsc").write_bytes(b"\x7fELF something")
    assert said(tmp_path / "runsc", nosuch="1") == []


def test_a_plan_is_refused_for_a_flag_before_anything_is_uploaded(tmp_path: Path) -> None:
    made: Release = release(tmp_path, content=OTHERS)
    wanted = settings(runtime=RuntimeSettings(flags={"nosuch": "1"}))
    (problem,) = check(state_of(wanted, good_facts()), GVISOR, made)
    assert problem.message == (
        "gVisor 20260905.0 does not take [runtime.flags]: flag provided but not defined: -nosuch"
    )
    assert "correct [runtime.flags]" in problem.hint


def test_a_program_in_the_room_sees_no_file_of_ours(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    program, secret = tmp_path / "probe", tmp_path.parent / "secret"
    program.write_bytes(probe(os.uname().machine))
    program.chmod(0o755)
    secret.write_text("a secret")
    room = [*flags_module._ROOM, str(tmp_path), "/probe"]
    if run_program([*flags_module._ROOM, str(tmp_path), "/nothing"]).said.count("unshare failed"):
        pytest.skip("no user namespaces here")
    output = run_program([*room, "kernel"])
    assert output.returncode != 0
    assert "/proc" in output.said or "kmsg" in output.said, output.said
