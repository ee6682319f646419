"""Secrets, ours and others', stay where they are: no process, file, log, report or plan shows them."""

from __future__ import annotations

import gzip
import secrets
import subprocess  # noqa: TID251  a process that is ended in its middle
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.local_files import cache_folder
from nodeprov.redaction import HIDDEN
from tests.lab.machines import CHECKOUT, CONFIG, STATE, WORKER, Machine
from tests.lab.running import Ended, variant
from tests.lab.secret_watch import FOLDER, Watch
from tests.support.sampling import by_turns

pytestmark = by_turns

REGISTRY, SPREAD, SUDO = (f"kn0wn{word}{secrets.token_hex(6)}" for word in ("Registry", "Spread", "Sudo"))
USER = "m-keeper"
THEIRS = f"""
[plugins."io.containerd.cri.v1.images".registry.configs."registry.example".auth]
  username = "somebody"
  password = "{REGISTRY}"
  identitytoken = \"\"\"
first line
{SPREAD}
last line\"\"\"
"""
"""What an operator has at the end of the file, where our table goes: so it stands beside it in the diff."""


class Keeper:
    """A user with a password for sudo, on a node whose configuration has somebody's password."""

    def __init__(self, node: Machine, folder: Path) -> None:
        self.node = node
        self.folder = folder
        self.inventory = variant(folder, **{f"nodes.{WORKER}__user": f'"{USER}"'})
        self.watch = Watch(node, REGISTRY, SPREAD, SUDO)
        self.said = ""

    def nodeprov(self, *arguments: str, exit_code: int = 0) -> Ended:
        """Run it in a folder of its own, and give it the password as a script would."""
        argv = [sys.executable, "-m", "nodeprov", *arguments, "-K", "--inventory", str(self.inventory)]
        output = run_program(
            argv, stdin=f"{SUDO}\n".encode(), timeout_seconds=300, folder=self.folder,
            environment={"PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
        ended = Ended(output.returncode, output.stdout.decode(), output.stderr.decode())
        assert ended.returncode == exit_code, ended.stdout + ended.stderr
        assert not self.watch.has_secret(output.stdout + output.stderr), ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    def look(self) -> None:
        """Look at every file, on the node and here."""
        for line in self.watch.files_of_the_node():
            mode, owner, path = line.split(" ", 2)
            assert (mode, owner) == ("600", "root"), line
            assert path == CONFIG or path.startswith("/var/lib/nodeprov/"), line
        assert self.watch.journal() == ""
        here = (self.folder, cache_folder(), Path("/tmp"), Path("/var/tmp"), Path("/root"))
        assert self.watch.files_here(*here) == []
        own = [path for path in Path(STATE).iterdir() if path.name != "machines"]
        assert self.watch.files_here(*own) == []


@pytest.fixture
def keeper(worker: Machine, tmp_path: Path) -> Iterator[Keeper]:
    worker.run(
        f"userdel -rf {USER} 2>/dev/null; useradd -m -s /bin/bash {USER} && mkdir -p /home/{USER}/.ssh && "
        f"cp /root/.ssh/authorized_keys /home/{USER}/.ssh/ && chown -R {USER}: /home/{USER} && "
        f"echo '{USER} ALL=(ALL) ALL' > /etc/sudoers.d/{USER}"
    )
    worker.host.sh("chpasswd", stdin=f"{USER}:{SUDO}\n".encode())
    worker.host.sh(f"umask 077; cat >> {CONFIG}; chmod 0600 {CONFIG}", stdin=THEIRS.encode())
    worker.run("containerd config dump > /dev/null && systemctl restart containerd")
    yield Keeper(worker, tmp_path)
    worker.run(f"userdel -rf {USER} 2>/dev/null; rm -rf /etc/sudoers.d/{USER} {FOLDER}")


def test_what_looks_for_a_secret_finds_one(keeper: Keeper) -> None:
    """In an argument, in an environment, in base64, in a file that others may read for a moment, in an archive."""
    for hiding in (
        f"sh -c 'sleep 1; : {REGISTRY}'",
        f"SEEN={SPREAD} sleep 1",
        f"sh -c 'sleep 1; : {'eA' + keeper.watch.patterns[2].decode()}'",
        f"cp {CONFIG} /tmp/m-copy && chmod 0644 /tmp/m-copy && sleep 1; rm /tmp/m-copy",
    ):
        keeper.node.run(f": > {FOLDER}/seen")
        with pytest.raises(AssertionError), keeper.watch.processes():
            keeper.node.try_run(f"{hiding} 2>/dev/null; sleep 1")
        assert keeper.node.run(f"cat {FOLDER}/seen") != "", hiding
    (keeper.folder / "x.gz").write_bytes(gzip.compress(b"a" + SUDO.encode()))
    assert keeper.watch.files_here(keeper.folder) == [keeper.folder / "x.gz"]


def test_no_run_shows_a_secret_to_anybody(keeper: Keeper) -> None:
    with keeper.watch.processes():
        planned = keeper.nodeprov("plan", WORKER, "--out", "saved.plan", exit_code=3)
        assert HIDDEN in planned.stdout, "the lines beside our table are shown, but not what is secret"
        keeper.nodeprov("plan", WORKER, "--json", "--commands", exit_code=3)
        keeper.nodeprov("plan", WORKER, "--commands", "-vv", exit_code=3)
        keeper.nodeprov("install", WORKER, "--yes", "-vv")
        keeper.nodeprov("support", WORKER, "--out", "support.tar.gz")
        keeper.nodeprov("verify", WORKER, "--json", "-vv")
        keeper.nodeprov("doctor", WORKER, "--json")
    with tarfile.open(keeper.folder / "support.tar.gz") as packed:
        names = [name.partition("/")[2] for name in packed.getnames()]
    assert "containerd/config.toml" in names
    keeper.look()
    with keeper.watch.processes():
        keeper.nodeprov("uninstall", WORKER, "--yes", "-vv")
    keeper.look()


def test_a_run_that_fails_and_is_taken_back_shows_no_secret_either(keeper: Keeper) -> None:
    folder, refuses = "/etc/systemd/system/containerd.service.d", f"! grep -q runtimes.runsc {CONFIG}"
    keeper.node.run(
        f"mkdir -p {folder} && printf '[Service]\\nExecStartPre=/bin/sh -c \"{refuses}\"\\n' > {folder}/test.conf"
        " && systemctl daemon-reload"
    )
    before = keeper.node.config()
    with keeper.watch.processes():
        ended = keeper.nodeprov("install", WORKER, "--yes", "-vv", "--json", exit_code=1)
    assert "of this run" in ended.stderr or "undone" in ended.stdout
    assert keeper.node.config() == before
    keeper.look()


def test_a_killed_run_leaves_no_secret_to_others(keeper: Keeper) -> None:
    argv = [sys.executable, "-u", "-m", "nodeprov", "install", WORKER, "-K", "--yes", "-i", str(keeper.inventory)]
    with keeper.watch.processes():
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=CHECKOUT
        )
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{SUDO}\n")
        process.stdin.flush()
        while "restarting" not in process.stderr.readline():
            assert process.poll() is None
        process.kill()
        process.communicate()
    keeper.look()
