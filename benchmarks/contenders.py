"""What is measured: the same work, by nodeprov and by what people use instead.

Each is written as people would for speed: keys, no questions, as many nodes at once as nodeprov. pyinfra and
Ansible look at the link, the files' modes, the table in config.toml and the service; a digest they would have to
compute anew each time, and are not asked to. Ansible needs a Python on the nodes, which `bring_python` brings.
"""

import json
import shlex
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

CURRENT = "/opt/nodeprov/handlers/runsc/current"


@dataclass(frozen=True, slots=True)
class Contender:
    """One command that does the work. `says` must be in what it prints, or it did something else."""

    name: str
    argv: Sequence[str]
    says: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


def nodeprov(site: Site, *arguments: str, name: str, says: str = "") -> Contender:
    """Run the nodeprov of this checkout."""
    argv = (str(Path(sys.executable).with_name("nodeprov")), *arguments, "--inventory", str(site.inventory))
    return Contender(name, argv, says)


def ssh_true(site: Site) -> Contender:
    """Ask every node anything at all: the measure of all others."""
    return Contender("ssh NODE true", site.on_each(f"{site.ssh} {{}} true"))


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


def from_nothing(site: Site) -> Sequence[Contender]:
    """Install on nodes that have nothing of gVisor; what is to be copied is on this machine."""
    together = ("install", *site.names, "--yes", "--max-unavailable", "100%")
    return (
        Contender("a loop written by hand", site.on_each(f"{site.ssh} {{}} sh {LOOP}/do < {_archive(site)}")),
        nodeprov(site, *together, name="nodeprov install"),
    )


LOOP = "/root/loop"
_DO = f"""\
set -e
tar -x -C {LOOP}
cd {LOOP}/release && sha512sum --quiet -c ../sums && cd / && mv {LOOP}/release /opt/gvisor
cp -p /etc/containerd/config.toml {LOOP}/before.toml
cat {LOOP}/table >> /etc/containerd/config.toml
systemctl restart containerd
"""
_UNDO = f"""\
mkdir -p {LOOP}
if [ -e {LOOP}/before.toml ]; then
    mv {LOOP}/before.toml /etc/containerd/config.toml
    systemctl restart containerd
fi
rm -rf /opt/gvisor {LOOP}/release
"""
_TABLE = """
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]
runtime_type = "io.containerd.runsc.v1"
"""


def _archive(site: Site) -> Path:
    """Return the archive that the loop copies: a release as nodeprov has installed it, its sums, and a table."""
    return site.folder / "loop.tar"


def prepare_loop(site: Site, installed: "Installed") -> None:
    """Have the loop's archive here, and its script on each node."""
    made = (
        f"mkdir -p {LOOP} && cd {LOOP} && rm -rf release && cp -a {installed.release} release && (cd release && "
    )
    made += f"find . -type f -exec sha512sum {{}} +) > sums && printf %s {shlex.quote(_TABLE)} > table && "
    made += "tar -c release sums table && rm -rf release"
    first = shlex.join([*site.ssh.split(), site.names[0], made])
    run_checked(["sh", "-c", f"{first} > {_archive(site)}"], "cannot make the loop's archive", timeout_seconds=120)
    (site.folder / "do").write_text(_DO)
    script = (
        f"{site.ssh} {{}} mkdir -p {LOOP} && {site.ssh} {{}} sh -c {shlex.quote(shlex.quote(f'cat > {LOOP}/do'))}"
    )
    run_checked(site.on_each(f"{script} < {site.folder}/do"), "cannot copy the loop's script")


def as_before(site: Site) -> Sequence[Contender]:
    """Take back what the contenders have installed."""
    (site.folder / "undo").write_text(_UNDO)
    return (
        nodeprov(site, "uninstall", *site.names, "--yes", name="nodeprov uninstall"),
        Contender("what the loop did, taken back", site.on_each(f"{site.ssh} {{}} sh < {site.folder}/undo")),
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
