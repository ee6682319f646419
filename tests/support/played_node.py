"""A node on this machine: its files are real and its own, and a few lines of shell play systemd and containerd.

It is a mount and a process namespace, with an empty /run and no units: nobody else sees what is done there, and it
is gone with its last process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # noqa: TID251  a process that stays, with namespaces of its own
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeprov.hosts.base import plain
from nodeprov.hosts.local import LocalHost

HOME = "/srv/played"
INVENTORY = f"""
[release]
version = "20260905.0"
[paths]
prefix = "{HOME}/opt"
state = "{HOME}/state"
bin = ""
[cluster]
enabled = false
[proof]
steady_seconds = 1
[nodes.worker1]
"""
CONFIG = """\
version = 3

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
"""
PLAYED = {
    # Run by a program beside it that is not called containerd, as k3s has it: a script has no program of its own.
    "containerd": f"""#!{HOME}/bin/player
case "$*" in
    --version) echo "containerd github.com/containerd/containerd/v2 v2.4.2 0" ;;
    *"config dump") cat -- "$2" ;;
    "config default") echo "version = 3" ;;
    *) while :; do sleep 60; done ;;
esac
""",
    "ctr": """#!/bin/sh
case "$*" in
    *"plugins ls -d") printf 'Type: %s\\nID: %s\\n' io.containerd.cri.v1 images io.containerd.cri.v1 runtime ;;
    *"plugins ls") echo "io.containerd.cri.v1 images - ok"; echo "io.containerd.cri.v1 runtime - ok" ;;
    *" run "*) echo "Linux version 4.19.0-gvisor #1 SMP" ;;
esac
""",
    "systemctl": f"""#!/bin/sh
main={HOME}/containerd
case "$*" in
    --version) echo "systemd 257 (257.8)" ;;
    is-system-running) echo running ;;
    "show containerd.service -p MainPID --value") cat $main.pid ;;
    "show containerd.service "*" --value") case "$*" in *LoadState*) echo loaded ;; *) echo active ;; esac ;;
    show*--value) echo inactive ;;
    "show containerd.service "*)
        echo "Id=containerd.service"; echo "LoadState=loaded"; echo "ActiveState=active"
        echo "MainPID=$(cat $main.pid)"
        echo "KillMode=process"; echo "RestartUSec=0"
        echo "ExecMainStartTimestampMonotonic=$(cat $main.started)" ;;
    "restart containerd.service")
        echo restart >> {HOME}/restarts
        [ ! -e $main.pid ] || kill "$(cat $main.pid)"
        setsid {HOME}/bin/containerd -c {HOME}/etc/config.toml > /dev/null 2>&1 < /dev/null &
        echo $! > $main.pid; awk '{{ printf "%d", $1 * 1e6 }}' /proc/uptime > $main.started ;;
esac
""",
    "systemd-run": f"""#!/bin/sh
exec 8>&- # the lock of who hands it over
sh {HOME}/state/switch/switch.sh swap; sh {HOME}/state/switch/switch.sh after
""",
    "journalctl": "#!/bin/sh\n",
}
BEGIN = f"""
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /srv
mount -t tmpfs -o mode=755 tmpfs /etc/systemd/system
mkdir -p /run/systemd/system {HOME}/etc
cp -R -- "$1" {HOME}/bin
cp -- /bin/sh {HOME}/bin/player
printf '%s' "$2" > {HOME}/etc/config.toml
sleep 1.1 # a configuration that is as old as its daemon would be one that the daemon may not have read
{HOME}/bin/systemctl restart containerd.service
echo ready
exec cat
"""


# Of the user namespace alone: this machine runs no more programs than before (Linux 6.7).
EMULATE = r"""
set -eu
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
elf='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
qemu=$(command -v qemu-aarch64-static)
printf ':aarch64:M::%s:%s:%s:F' "$elf" "$mask" "$qemu" > /proc/sys/fs/binfmt_misc/register
"""

# The kernel is this machine's: what it would say of its addresses if it were for aarch64 is played too.
SED = """#!/bin/sh
case "$*" in *" /proc/self/maps") echo ffffdf1f9000 ;; *) exec /bin/sed "$@" ;; esac
"""


@dataclass(frozen=True)
class PlayedNode:
    """The command that leads a shell there."""

    enter: tuple[str, ...]

    def listing(self) -> str:
        """Its programs, configuration and units, and what is in them."""
        return self.said(
            f"cd {HOME} && find opt etc /etc/systemd/system -exec stat -c '%n|%F|%a|%N' {{}} + | sort; "
            "find opt etc -type f -exec sha256sum {} + | sort"
        )

    def config(self) -> str:
        """What containerd's configuration holds."""
        return self.said(f"cat {HOME}/etc/config.toml")

    def receipts(self) -> dict[str, str]:
        """How the run of each receipt stands."""
        told = self.said(f"cd {HOME}/state/receipts && for each in *; do cat $each; echo; echo =; done")
        return {each["action"]: each["state"] for each in map(json.loads, filter(str.strip, told.split("\n=\n")))}

    def restarts(self) -> int:
        """How often containerd was started."""
        return len(self.said(f"cat {HOME}/restarts").splitlines())

    def said(self, script: str) -> str:
        """Run a script there; return what it printed."""
        return LocalHost(enter=self.enter).run(plain("look", script)).text


@contextmanager
def played_node(folder: Path, *, uname: Path | None = None) -> Iterator[PlayedNode]:
    """Have a node; the test is skipped where this machine allows no namespaces.

    With a `uname` for aarch64 the node has that processor, as far as qemu plays one: it runs programs for it too.
    """
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("namespaces are root's")
    tools = folder / "tools"
    tools.mkdir()
    for name, text in PLAYED.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    if uname is not None:
        shutil.copy(uname, tools / "uname")
        (tools / "sed").write_text(SED)
        (tools / "sed").chmod(0o755)
    of_user = ["--user", "--map-root-user"] if uname else []
    command = [
        "unshare",
        *of_user,
        "--mount",
        "--pid",
        "--fork",
        "--mount-proc",
        "sh",
        "-c",
        (EMULATE if uname else "") + BEGIN,
        "sh",
        str(tools),
        CONFIG,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as outside:
        assert outside.stdout is not None
        if outside.stdout.readline() != "ready\n":
            pytest.skip("this machine allows no namespaces")
        first = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()[0]
        path = f"PATH={HOME}/bin:{os.environ['PATH']}"
        into_user = ["--user", "--preserve-credentials"] if uname else []
        yield PlayedNode(("nsenter", f"--target={first}", *into_user, "--mount", "--pid", "--", "env", path))
        outside.communicate()
