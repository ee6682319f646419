"""How long containerd does not serve: seen on the node, by asking its socket every 5 ms."""

import json
import shlex
import subprocess  # noqa: TID251  what watches is a process
from collections.abc import Sequence

from benchmarks import measure
from benchmarks.apart import Run
from benchmarks.contenders import Contender, bring_python, nodeprov
from benchmarks.loop import as_before
from benchmarks.measure import Result
from benchmarks.site import Site

_WATCH = """
import json, select, socket, sys, time
GREETING = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
def serves():
    with socket.socket(socket.AF_UNIX) as it:
        it.settimeout(0.5)
        try:
            it.connect(sys.argv[1])
            it.sendall(GREETING)
            return it.recv(9)[3:4] == b"\\x04"  # SETTINGS of HTTP/2, by which a gRPC server begins
        except OSError:
            return False
last, longest = time.monotonic(), 0.0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    if serves():
        now = time.monotonic()
        longest, last = max(longest, now - last), now
print(json.dumps(longest))
"""


def watched(site: Site, contender: Contender) -> Run:
    """Run something, and return for how long containerd of the first node did not serve meanwhile."""
    argv = [*site.ssh.split(), site.names[0], shlex.join(["python3", "-c", _WATCH, _socket(site)])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdin is not None
        assert watch.stdout is not None
        watch.stdout.readline()
        run = measure.once(contender)
        watch.stdin.close()
        return Run(json.loads(watch.stdout.readline()), run.processor_seconds, run.mebibytes)


def _socket(site: Site) -> str:
    return site.nodes[0].settings.containerd.socket or "/run/containerd/containerd.sock"


def outages(site: Site, rounds: int) -> Sequence[Result]:
    """Measure a bare restart beside an install and an uninstall."""
    bring_python(site)
    name = site.names[0]
    by_hand = Contender(
        "systemctl restart containerd",
        [*site.ssh.split(), name, "systemctl reset-failed containerd; systemctl restart containerd"],
    )
    undo = as_before(site)
    install = nodeprov(site, "install", name, "--yes", name="nodeprov install")
    uninstall = nodeprov(site, "uninstall", name, "--yes", name="nodeprov uninstall")
    return measure.in_turn(
        (
            by_hand,
            Contender(install.name, install.argv, before=undo),
            Contender(uninstall.name, uninstall.argv),
        ),
        rounds,
        lambda contender: watched(site, contender),
    )
