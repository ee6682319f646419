"""Who looks for secrets: in every process while it runs, and in every file afterwards, also in base64."""

from __future__ import annotations

import base64
import contextlib
import gzip
import shlex
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from nodeprov.hosts.base import plain
from nodeprov_lab.nspawn.cgroups import ISOLATED_PREFIX
from tests.lab.machines import Machine

FOLDER = "/run/m-watch"
WATCH = f"""
while :; do
    for process in $(grep -lsF -f {FOLDER}/patterns /proc/[0-9]*/cmdline /proc/[0-9]*/environ); do
        echo "$process: $(cat ${{process%/*}}/cmdline 2>/dev/null | tr '\\0' ' ' | cut -c 1-200)" >> {FOLDER}/seen
    done
    # A file that others could read, or that is not root's, even for a moment.
    find /etc/containerd /var/lib/nodeprov /opt/nodeprov /tmp /var/tmp /dev/shm -xdev -type f -size -1000k \\
        \\( -perm /077 -o ! -user root \\) -exec grep -lsF -f {FOLDER}/patterns {{}} + >> {FOLDER}/seen 2>/dev/null
    echo . >> {FOLDER}/rounds
    sleep 0.01
done
"""


def forms(secret: str) -> list[bytes]:
    """Write a secret as it is, and as it would stand in the middle of something in base64."""
    found = [secret.encode()]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode() + b"\0" * (-(before + len(secret)) % 3))
        # Without what the neighbours have a part in.
        found.append(encoded[4 if before else 0 : -4])
    return found


class Watch:
    """Searches a node and this machine for secrets."""

    def __init__(self, node: Machine, *secrets: str) -> None:
        self.node = node
        self.patterns = [form for secret in secrets for form in forms(secret)]
        self._seen: set[str] = set()
        self._began = time.time()
        lines = b"\n".join(self.patterns) + b"\n"
        node.host.sh(f"rm -rf {FOLDER}; umask 077; mkdir {FOLDER} && cat > {FOLDER}/patterns", stdin=lines)
        node.run(f"touch {FOLDER}/began {FOLDER}/seen {FOLDER}/rounds; sleep 0.01")

    @contextlib.contextmanager
    def processes(self) -> Iterator[None]:
        """Look at all processes, and at the files of the node, for as long as this lasts."""
        over = threading.Event()
        here = threading.Thread(target=self._watch_here, args=(over,))
        held = self.node.host.hold(
            plain("sh", f"(\n{WATCH}) & watching=$!; echo watching; cat > /dev/null; kill $watching")
        )
        assert held.first_line == "watching"
        here.start()
        try:
            yield
        finally:
            over.set()
            here.join()
            held.release()
        rounds = int(self.node.run(f"wc -l < {FOLDER}/rounds"))
        assert rounds > 5, "it has hardly looked"
        assert self.node.run(f"cat {FOLDER}/seen") == ""
        assert not self._seen

    def _watch_here(self, over: threading.Event) -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        content = (path / name).read_bytes()
                        if any(pattern in content for pattern in self.patterns):
                            self._seen.add(f"{name}: {content[:200]!r}")
            over.wait(0.01)

    def files_of_the_node(self) -> list[str]:
        """List every file that has a secret and was written since: mode, owner, path."""
        # What containerd itself writes into the journal is looked at apart.
        script = (
            f"find / \\( -path /proc -o -path /sys -o -path {FOLDER} -o -path '*/log/journal' \\) -prune "
            f"-o -type f -newer {FOLDER}/began -size -20000k -print0 | "
            f"xargs -0 -r grep -lsF -f {FOLDER}/patterns | "
            "while read -r path; do stat -c '%a %U %n' \"$path\"; done"
        )
        return self.node.run(script).splitlines()

    def journal(self) -> str:
        """Return what anybody but containerd has written into the node's journal with a secret in it."""
        script = f"journalctl -q -o json --since=@{int(self._began)} | grep -F -f {FOLDER}/patterns"
        return self.node.run(f'{{ {script} | grep -v \'"_COMM":"containerd"\'; }} || true')

    def files_here(self, *folders: Path) -> list[Path]:
        """List every file of this machine that has a secret and was written since; the nodes' own are apart."""
        found = []
        for folder in folders:
            apart = ["-path", f"/var/tmp/{ISOLATED_PREFIX}*", "-prune", "-o"]
            newer = [*apart, "-type", "f", "-newermt", f"@{self._began}", "-size", "-20000k", "-print0"]
            said = shlex.join(["find", str(folder), "-xdev", *newer])
            for name in _lines(said):
                with contextlib.suppress(OSError):
                    if self.has_secret(Path(name).read_bytes()):
                        found.append(Path(name))
        return found

    def has_secret(self, content: bytes) -> bool:
        """Tell whether a secret is in it, also if it is compressed."""
        if content[:2] == b"\x1f\x8b":
            with contextlib.suppress(OSError, EOFError):
                content = gzip.decompress(content)
        return any(pattern in content for pattern in self.patterns)


def _lines(command: str) -> list[str]:
    from nodeprov.hosts.local import run_program

    return [name for name in run_program(["sh", "-c", command], timeout_seconds=120).text.split("\0") if name]
