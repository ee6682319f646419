"""Where a measurement runs: some of the lab's workers, and the files by which each contender reaches them."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeprov.hosts.local import run_checked
from nodeprov.inventory import Node, parse
from nodeprov.local_files import cache_folder

FOLDER = Path(__file__).parent
AT_ONCE = 32
"""How many nodes each contender works on at the same time."""


@dataclass(frozen=True, slots=True)
class Site:
    """Some workers, and a folder of files that describe them to OpenSSH, pyinfra and Ansible."""

    folder: Path
    inventory: Path
    nodes: tuple[Node, ...]
    peers: Path
    """The folder of programs that pyinfra and Ansible are installed in."""

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' names."""
        return tuple(node.name for node in self.nodes)

    @property
    def ssh(self) -> str:
        """The start of an OpenSSH command."""
        return f"ssh -F {self.folder}/ssh_config"

    def on_each(self, command: str) -> list[str]:
        """Write a shell command, in which {} is a node's name, for all nodes at the same time."""
        return [
            "sh",
            "-c",
            f"printf '%s\\n' {' '.join(self.names)} | xargs -P {AT_ONCE} -I{{}} sh -c {shlex.quote(command)}",
        ]


def make(folder: Path, inventory: Path, count: int) -> Site:
    """Describe the first workers of an inventory; raise SystemExit if it has not so many."""
    nodes = tuple(parse(inventory.read_text(), str(inventory)).nodes[:count])
    if len(nodes) < count:
        sys.exit(f"{inventory} has {len(nodes)} nodes, not {count}: nodeprov lab up --workers {count} --bare")
    folder.mkdir()
    site = Site(folder, inventory, nodes, peers())
    (folder / "ssh_config").write_text(_ssh_config(nodes))
    (folder / "hosts.ini").write_text("[nodes]\n" + "".join(f"{node.name}\n" for node in nodes))
    (folder / "pyinfra_hosts.py").write_text(f"nodes = {[*site.names]!r}\n")
    (folder / "ansible.cfg").write_text(_ANSIBLE.format(folder=folder, forks=AT_ONCE))
    return site


def _ssh_config(nodes: Sequence[Node]) -> str:
    hosts = "".join(
        f"Host {node.name}\n  HostName {node.ssh.address}\n  Port {node.ssh.port or 22}\n  User {node.ssh.user}\n"
        f"  IdentityFile {node.ssh.identity_file}\n  UserKnownHostsFile {node.ssh.known_hosts}\n"
        for node in nodes
    )
    return f"{hosts}Host *\n  BatchMode yes\n  IdentitiesOnly yes\n  LogLevel ERROR\n"


_ANSIBLE = """\
[defaults]
inventory = {folder}/hosts.ini
forks = {forks}
strategy = free
gathering = explicit
interpreter_python = /usr/bin/python3
[ssh_connection]
ssh_args = -F {folder}/ssh_config -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = {folder}/cp
pipelining = True
"""


def peers() -> Path:
    """Return where pyinfra, Ansible and matplotlib are installed; install them there if they are not."""
    wanted = (FOLDER / "requirements.txt").read_text()
    folder = cache_folder() / "benchmarks"
    done = folder / "installed.json"
    if not done.exists() or json.loads(done.read_text()) != wanted:
        run_checked([sys.executable, "-m", "venv", "--clear", str(folder)], "cannot make a folder for peers")
        pip = [str(folder / "bin" / "pip"), "install", "-q", "-r", str(FOLDER / "requirements.txt")]
        run_checked(pip, "cannot install peers", timeout_seconds=600)
        done.write_text(json.dumps(wanted))
    return folder / "bin"
