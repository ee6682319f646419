"""The candidate that containerd reads before it becomes its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.templates import render


@pytest.mark.parametrize("template", ["node/gate.sh.j2", "node/gate-own.sh.j2"])
def test_a_candidate_is_roots_alone_also_where_a_killed_run_has_left_another(
    host: LocalHost, tmp_path: Path, template: str
) -> None:
    """The program that is asked, in containerd's place, tells the modes of what it is given to read."""
    config, candidate, victim = tmp_path / "config.toml", tmp_path / ".candidate", tmp_path / "victim"
    binary = tmp_path / "containerd"
    binary.write_text(f'#!/bin/sh\nstat -c "%n %a %F" {tmp_path}/.candidate* >> {tmp_path}/modes\n')
    binary.chmod(0o755)
    config.write_text("version = 3\n")
    victim.write_text("precious")
    for left in ("file", "link"):
        candidate.write_text("old") if left == "file" else candidate.symlink_to(victim)
        script = render(template, path=str(config), root=str(config), candidate=str(candidate), binary=str(binary))
        assert host.sh(script, stdin=b"password = 's'\n").returncode == 0
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".candidate")]
    modes = {line.split(" ", 1)[1] for line in (tmp_path / "modes").read_text().splitlines()}
    assert modes == {"600 regular file", "600 regular empty file"} or modes == {"600 regular file"}
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("template", ["node/gate.sh.j2", "node/gate-own.sh.j2"])
@pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
def test_a_candidate_goes_also_where_nobody_reads_what_is_said_of_it(
    tmp_path: Path, shell: str, template: str
) -> None:
    """A connection was lost: the shell is ended by SIGPIPE, and dash runs no trap for EXIT then."""
    config, candidate, binary = tmp_path / "config.toml", tmp_path / ".candidate", tmp_path / "containerd"
    config.write_text("version = 3\n")
    binary.write_text("#!/bin/sh\nsleep 0.1; echo x\n")
    binary.chmod(0o755)
    script = render(template, path=str(config), root=str(config), candidate=str(candidate), binary=str(binary))
    (tmp_path / "script").write_text(script)
    run_program([shell, "-c", f"printf x | {shell} {tmp_path}/script | true; sleep 0.3"])
    assert not list(tmp_path.glob(".candidate*"))
