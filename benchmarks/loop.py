"""A release brought to nodes by a loop, as an operator would write it: the measure of an install from nothing."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders import TOGETHER, Contender, Installed, installed_everywhere, nodeprov
from benchmarks.site import Site
from nodeprov.hosts.local import run_checked

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
    systemctl reset-failed containerd  # so many starts in a short time are not what systemd expects
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


def prepare_loop(site: Site, installed: Installed) -> None:
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
        nodeprov(site, "uninstall", *site.names, *TOGETHER, name="nodeprov uninstall"),
        Contender("what the loop did, taken back", site.on_each(f"{site.ssh} {{}} sh < {site.folder}/undo")),
    )


def from_nothing(site: Site) -> Sequence[Contender]:
    """Install on nodes that have nothing of gVisor; what is to be copied is on this machine."""
    undo = as_before(site)
    by_hand = Contender("a loop written by hand", site.on_each(f"{site.ssh} {{}} sh {LOOP}/do < {_archive(site)}"))
    return replace(by_hand, before=undo), replace(installed_everywhere(site), before=undo)
