"""The candidate that containerd reads before it becomes its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nodeprov.containerd import add_runtime
from nodeprov.containerd.distributions.distribution import How
from nodeprov.containerd.distributions.editing import add_to_template
from nodeprov.hosts.local import LocalHost, run_program
from nodeprov.plan.containerd_config import ContainerdSource
from nodeprov.states import FileState
from nodeprov.templates import render
from tests.support.containerd_texts import RUNSC
from tests.support.memory_host import MemoryHost


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


FOLDER = "/var/lib/rancher/k3s/agent/etc/containerd"
TEMPLATE, MADE = f"{FOLDER}/config.toml.tmpl", f"{FOLDER}/config.toml"
OTHER = '[plugins.cri.containerd.runtimes.other]\nruntime_type = "io.containerd.runc.v2"\n'


def file(text: str) -> FileState:
    return FileState(text.encode(), 0o644)


class TestWhatContainerdIsAskedAbout:
    def read(self, how: How, before: str, made: str, after: str | None) -> dict[str, FileState | None]:
        """What would be read with a state of a template, of which a file was made."""
        host = MemoryHost()
        host.members = {TEMPLATE: file(before), MADE: FileState(made.encode(), 0o600, 7, 8)}
        source = ContainerdSource(TEMPLATE, RUNSC, "/usr/bin/containerd", MADE, how)
        return source.to_be_read(host, None if after is None else file(after))

    @pytest.mark.parametrize("version", [1, 2, 3])
    def test_is_what_will_be_made_of_a_template_to_the_byte(self, version: int) -> None:
        before, made = f"{{{{ .Head }}}}\n{OTHER}", f"# made\n{OTHER}"
        after = add_to_template(before, version, RUNSC)
        table = after.removeprefix(before)
        assert self.read(How.GO_TEMPLATE, before, made, after) == {
            MADE: FileState((made + table).encode(), 0o600, 7, 8)
        }
        assert self.read(How.GO_TEMPLATE, after, made + table, before) == {
            MADE: FileState(made.encode(), 0o600, 7, 8)
        }

    def test_is_the_file_with_our_table_where_it_was_not_made_of_this_template(self) -> None:
        after = add_to_template("{{ .Head }}\n[debug]\n", 3, RUNSC)
        (state,) = self.read(How.GO_TEMPLATE, "{{ .Head }}\n[debug]\n", "version = 3\n", after).values()
        assert state is not None
        assert state.content.decode() == add_runtime("version = 3\n", RUNSC)

    def test_has_what_sed_puts_in(self) -> None:
        before, made = 'version = 2\nroot = "${SNAP_DATA}"\n', 'version = 2\nroot = "/var/snap"\n'
        after = add_runtime(before, RUNSC)
        (state,) = self.read(How.IN_PLACE, before, made, after).values()
        assert state is not None
        assert state.content.decode() == made + after.removeprefix(before)
