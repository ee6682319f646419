"""What is measured: the same work, by nodeprov and by what people use instead.

Each is written as people would for speed: keys, no questions, as many nodes at once as nodeprov. pyinfra and
Ansible look at the link, the files' modes, the table in config.toml and the service; a digest they would have to
compute anew each time, and are not asked to. Ansible needs a Python on the nodes, which `bring_python` brings.
"""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.site import AT_ONCE, Site
from nodeprov.hosts.local import run_checked
from nodeprov.local_files import cache_folder
from nodeprov_lab.cache import Cache
from nodeprov_lab.parts import SUITE, chosen_mirror, debian_tree

MANY_NODES, FEW_ROUNDS = 12, 3
"""Of so many nodes, Ansible, which takes half a minute, is measured so often."""
CURRENT = "/opt/nodeprov/handlers/runsc/current"


@dataclass(frozen=True, slots=True)
class Contender:
    """One command that does the work. `says` must be in what it prints, or it did something else."""

    name: str
    argv: Sequence[str]
    says: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    before: Sequence["Contender"] = ()
    """What is run before each of its rounds, and is not measured."""
    most_rounds: int | None = None


def nodeprov(site: Site, *arguments: str, name: str, says: str = "") -> Contender:
    """Run the nodeprov of this checkout."""
    argv = (str(Path(sys.executable).with_name("nodeprov")), *arguments, "--inventory", str(site.inventory))
    return Contender(name, argv, says)


def ssh_true(site: Site) -> Contender:
    """Ask every node anything at all: the measure of all others."""
    return Contender("ssh NODE true", site.on_each(f"{site.ssh} {{}} true"))


TOGETHER = ("--yes", "--max-unavailable", "100%")


def installed_everywhere(site: Site) -> Contender:
    """Install on all nodes at the same time."""
    return nodeprov(site, "install", *site.names, *TOGETHER, name="nodeprov install, all at once")


def nothing_to_do(site: Site) -> Sequence[Contender]:
    """Find every node as wanted."""
    installed = Installed.on(site)
    return (
        ssh_true(site),
        nodeprov(site, "install", *site.names, "--yes", name="nodeprov install"),
        nodeprov(site, "status", *site.names, name="nodeprov status"),
        pyinfra(site, installed),
        ansible(site, installed),
    )


def bring_python(site: Site) -> None:
    """Unpack Debian's Python on each node that has none: Ansible's modules are written in it."""
    tree = Cache(cache_folder() / "lab").folder(
        "python", {"suite": SUITE, "mirror": chosen_mirror()}, _unpack_python
    )
    archive = tree / "python.tar"
    has = f"{site.ssh} {{}} test -x /usr/bin/python3"
    run_checked(
        site.on_each(f"{has} || {site.ssh} {{}} tar -x -C / --skip-old-files < {archive}"),
        "cannot bring Python to the nodes",
        timeout_seconds=300,
    )


def _unpack_python(folder: Path) -> None:
    tree = folder / "tree"
    debian_tree(tree, SUITE, "python3", chosen_mirror(), lambda _event: None)
    run_checked(["tar", "-c", "-f", str(folder / "python.tar"), "-C", str(tree), "usr"], "cannot pack Python")
    shutil.rmtree(tree)


@dataclass(frozen=True, slots=True)
class Installed:
    """What nodeprov has installed, as the peers are to find it."""

    release: str
    mode: str
    generation: str
    table: str

    @classmethod
    def on(cls, site: Site) -> "Installed":
        """Look at the first node."""
        script = (
            f"shim=$(readlink -f {CURRENT}/containerd-shim-runsc-v1); dirname $shim; stat -c %a $shim; "
            f"readlink {CURRENT}; grep -m 1 'runtimes.*runsc\\?.*\\]$' /etc/containerd/config.toml"
        )
        argv = [*site.ssh.split(), site.names[0], script]
        return cls(*run_checked(argv, "cannot see what is installed").rstrip("\n").split("\n"))


def pyinfra(site: Site, installed: Installed) -> Contender:
    """See the end of an install by pyinfra's operations."""
    (site.folder / "deploy.py").write_text(_DEPLOY.format(current=CURRENT, **asdict(installed)))
    argv = (f"{site.peers}/pyinfra", "-y", "--parallel", str(AT_ONCE), "pyinfra_hosts.py", "deploy.py")
    data = ("--data", f"ssh_config_file={site.folder}/ssh_config")
    return Contender("pyinfra", (*argv, *data), "No changes", folder=site.folder)


def ansible(site: Site, installed: Installed) -> Contender:
    """See the same by a playbook, with pipelining and persistent connections."""
    values = {**asdict(installed), "table": json.dumps(installed.table)}
    (site.folder / "playbook.yml").write_text(_PLAYBOOK.format(current=CURRENT, **values))
    environment = {"ANSIBLE_CONFIG": f"{site.folder}/ansible.cfg"}
    return Contender(
        "ansible-playbook",
        (f"{site.peers}/ansible-playbook", "playbook.yml"),
        "changed=0",
        environment,
        site.folder,
        most_rounds=FEW_ROUNDS if len(site.nodes) > MANY_NODES else None,
    )


_DEPLOY = """\
from pyinfra.operations import files, systemd

for name in ("runsc", "containerd-shim-runsc-v1"):
    files.file(path=f"{release}/{{name}}", present=True, mode="{mode}", user="root", group="root")
files.link(path="{current}", target="{generation}")
files.line(path="/etc/containerd/config.toml", line={table!r}, present=True)
systemd.service(service="containerd", running=True, enabled=True)
"""
_PLAYBOOK = """\
- hosts: nodes
  gather_facts: false
  tasks:
    - file: {{path: "{release}/{{{{ item }}}}", state: file, mode: "0{mode}", owner: root, group: root}}
      loop: [runsc, containerd-shim-runsc-v1]
    - file: {{path: {current}, src: {generation}, state: link}}
    - lineinfile: {{path: /etc/containerd/config.toml, line: {table}, state: present}}
    - systemd: {{name: containerd, state: started, enabled: true}}
"""
