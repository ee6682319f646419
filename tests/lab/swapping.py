"""A worker of the lab with another containerd, and with a configuration of its own, for the time of a test."""

from __future__ import annotations

import contextlib
import functools
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from nodeprov.hosts.local import run_checked
from nodeprov_lab.daemons import PROGRAMS, Daemons
from nodeprov_lab.images import PAUSE_IMAGE
from tests.lab.machines import CONFIG, IMAGE, STATE, Machine
from tests.support.matrix import DEAD, DEBIANS, NONE, OLDEST, SILENT, THREE, TWO, UNSTATED

HERE = "/srv/containerd"
DROP_INS = "/etc/containerd/conf.d"
# Mounts hide what is there, and nothing of it is touched. What a daemon keeps is its own, too: a newer one's
# database and bundles are nothing for an older one.
PUT_IN = f"""
set -e
systemctl stop kubelet containerd
for name in {" ".join(PROGRAMS)}; do mount --bind {HERE}/$name /usr/local/bin/$name; done
mkdir -p /var/lib/containerd/other
mount --bind /var/lib/containerd/other /var/lib/containerd
mount -t tmpfs -o mode=0711 tmpfs /run/containerd
mount -t tmpfs -o mode=0755 tmpfs /etc/containerd
mkdir -p /opt/cni && ln -s /usr/lib/cni /opt/cni/bin
"""
START = "systemctl reset-failed containerd kubelet; systemctl start containerd"
TAKE_OUT = f"""
systemctl stop containerd
for path in /etc/containerd /run/containerd /var/lib/containerd; do umount -l $path; done
for name in {" ".join(PROGRAMS)}; do umount -l /usr/local/bin/$name; done
rm -rf /var/lib/containerd/other {HERE} /opt/cni
{START} && systemctl start --no-block kubelet
"""
DEBIANS_FILE = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd"
"""
"""What Debian's package brings: a file that declares no runtime."""


POD = f"""
ctr -n k8s.io images import {HERE}/images.tar > /dev/null
{HERE}/crirun /run/containerd/containerd.sock runsc {IMAGE} cat /proc/version
"""


def a_pod_on(machine: Machine) -> str:
    """Have containerd run a pod of the handler, as kubelet would; return what its kernel says of itself."""
    folder = _folder(machine)
    shutil.copy2(Daemons(lambda _: None).crirun(), folder / "crirun")
    (folder / "images.tar").write_bytes(Daemons(lambda _: None).images())
    return machine.run(POD)


def _folder(machine: Machine) -> Path:
    return Path(f"{STATE}/machines/{machine.name}/root{HERE}")


@functools.cache
def programs(version: str) -> Path:
    """Return the folder with a version's programs."""
    return Daemons(lambda _: None).programs(version)


@functools.cache
def default_of(version: str) -> str:
    """Return what `containerd config default` of a version prints."""
    return run_checked([str(programs(version) / "containerd"), "config", "default"], "cannot ask containerd")


def for_the_lab(config: str, labs_own: str) -> str:
    """Write into a configuration what a node of the lab needs, as an administrator would."""
    config = re.sub(r"(?m)^( *sandbox(?:_image)? = ).*", rf"\g<1>'{PAUSE_IMAGE}'", config)
    for setting in ("SystemdCgroup", "restrict_oom_score_adj"):
        if f"{setting} = true" in labs_own:
            config = config.replace(f"{setting} = false", f"{setting} = true")
    return config


@contextlib.contextmanager
def swapped(machine: Machine, version: str, files: Mapping[str, str]) -> Iterator[None]:
    """Have a version of containerd run on the machine, with these files of configuration and no others."""
    shutil.copytree(programs(version), _folder(machine), dirs_exist_ok=True)
    try:
        machine.run(PUT_IN)
        for path, text in files.items():
            machine.run(f"mkdir -p $(dirname {path})")
            machine.host.sh(f"cat > {shlex.quote(path)}", stdin=text.encode())
        machine.run(START)
        yield
    finally:
        machine.run(TAKE_OUT)


def config_files(kind: str, version: str, labs_own: str) -> dict[str, str]:
    """Write the files of a kind of configuration, by their paths."""
    if kind == NONE:
        return {}
    if kind == DEBIANS:
        return {CONFIG: DEBIANS_FILE}
    if kind in WHOLE:
        return {CONFIG: WHOLE[kind]}
    if kind in KEPT:
        return {CONFIG: for_the_lab(default_of(KEPT[kind]), labs_own)}
    config = re.sub(r"(?m)^imports = .*", f"imports = ['{DROP_INS}/*.toml']", default_of(version))
    stated = re.search(r"(?m)^version = .*", config)
    assert stated
    others = OTHERS["2.x" if version.startswith("2.") else "1.x"]
    return {CONFIG: for_the_lab(config, labs_own), f"{DROP_INS}/50-others.toml": f"{stated[0]}\n\n{others}"}


OLD = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes'
NEW = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes'
WHOLE = {
    OLDEST: '[plugins.cri.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n',
    SILENT: '[plugins.cri]\nsandbox_image = "example/pause:1"\n',
    UNSTATED: f'[{OLD}.runc]\nruntime_type = "io.containerd.runc.v2"\nbase_runtime_spec = ""\n',
    DEAD: f'version = 3\n[{NEW}.runc]\nruntime_type = "io.containerd.runc.v2"\n'
    f'[{OLD}.runsc]\nruntime_type = "io.containerd.runsc.v1"\n',
}
"""Files that are short enough to be written here."""
KEPT = {TWO: "1.7.35", THREE: "2.0.14"}
"""Files that were kept when the node was upgraded, and whose they are."""
OTHERS = {
    "1.x": "[debug]\nlevel = 'warn'\n",
    "2.x": "[plugins.'io.containerd.cri.v1.runtime']\nmax_container_log_line_size = 4096\n\n"
    "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.other]\n"
    "runtime_type = 'io.containerd.runc.v2'\n",
}
"""What somebody else's drop-in says. On 1.x it cannot say more: it would take the place of all that CRI has."""
