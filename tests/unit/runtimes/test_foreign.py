"""What somebody else installed is found without running any of it, and described."""

from __future__ import annotations

import os
import shutil
import subprocess  # noqa: TID251  a process whose program is looked for
from pathlib import Path

import pytest

from nodeprov.containerd.takeover import others_table
from nodeprov.hosts.local import LocalHost
from nodeprov.runtimes.foreign import Foreign, Program, ProgramsQuery, described, read_foreign
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.containerd_texts import RUNSC

SHIM = "containerd-shim-runsc-v1"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with both programs, which name releases in their bytes, and end the test if they are run."""
    (tmp_path / "bin").mkdir()
    for name, release in (("runsc", b"xx release-20260518.0\0"), (SHIM, b"none")):
        path = tmp_path / "bin" / name
        path.write_bytes(b"#!/bin/sh\ntouch " + str(tmp_path / "was-run").encode() + b"\n" + release)
        path.chmod(0o755)
    return tmp_path / "bin"


def query(*folders: Path) -> ProgramsQuery:
    return ProgramsQuery(tuple(map(str, folders)), (SHIM, "runsc"), GVISOR.names_release)


def test_programs_are_found_with_the_release_that_they_name_and_are_not_run(
    programs: Path, tmp_path: Path
) -> None:
    found = LocalHost().ask([query(tmp_path / "nowhere", programs)])[0]
    assert found == (Program(f"{programs}/{SHIM}", "", 0), Program(f"{programs}/runsc", "20260518.0", 0))
    assert not (tmp_path / "was-run").exists()


def test_processes_that_run_a_program_are_counted_through_links(programs: Path, tmp_path: Path) -> None:
    shutil.copy(shutil.which("sleep") or "", programs / "real-shim")
    (programs / SHIM).unlink()
    (programs / SHIM).symlink_to("real-shim")
    with subprocess.Popen([programs / SHIM, "60"], env={**os.environ}) as process:
        try:
            (first, *_) = LocalHost().ask([query(programs)])[0]
        finally:
            process.kill()
    assert (first.path, first.processes) == (f"{programs}/{SHIM}", 1)


def test_what_a_table_leads_to_is_read_with_its_settings(programs: Path, tmp_path: Path) -> None:
    settings = tmp_path / "runsc.toml"
    settings.write_text('[runsc_config]\n  platform = "kvm" # fast\n')
    table = {
        "runtime_type": "io.containerd.runsc.v1",
        "runtime_path": f"{programs}/{SHIM}",
        "options": {"ConfigPath": str(settings)},
    }
    found = read_foreign(LocalHost(), table, GVISOR)
    assert found.programs[0].path == f"{programs}/{SHIM}"
    assert any(
        f'{settings} is not used any more; it sets platform = "kvm"' in line for line in described(found, GVISOR)
    )
    without = read_foreign(LocalHost(), {**table, "options": {"ConfigPath": f"{settings}.gone"}}, GVISOR)
    assert without.settings_path == ""


def test_sandboxes_that_run_are_said_to_go_on() -> None:
    found = (Program(f"/usr/local/bin/{SHIM}", "20260518.0", 3), Program("/usr/local/bin/runsc", "", 9))
    said = "\n".join(described(Foreign({}, found), GVISOR))
    assert "sandboxes run with it (3 shims): they go on" in said
    assert f"/usr/local/bin/{SHIM} (release 20260518.0), /usr/local/bin/runsc (of an unknown release)" in said
    assert "sandboxes" not in "\n".join(described(Foreign({}, ()), GVISOR))


def test_ours_is_nobody_elses() -> None:
    from nodeprov.containerd import Config, add_runtime

    assert others_table(Config(add_runtime("version = 3\n", RUNSC)), RUNSC) is None
