"""An install in waves beside one node's; and what is left for a maintenance window after `--stage`."""

import math
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import measure
from benchmarks.contenders import CURRENT, Contender, installed_everywhere, nodeprov
from benchmarks.loop import as_before
from benchmarks.measure import Result
from benchmarks.site import Site

SHARE = 25
"""How many of a hundred nodes may be unavailable."""


def waves_of(size: int) -> int:
    """Count the waves in which so many nodes are changed."""
    return math.ceil(size / max(1, size * SHARE // 100))


def waves(site: Site, rounds: int) -> Sequence[Result]:
    """Measure one node's install beside that of all, in waves."""
    undo = as_before(site)
    one = nodeprov(site, "install", site.names[0], "--yes", name="one node")
    many = nodeprov(
        site,
        "install",
        *site.names,
        "--yes",
        "--max-unavailable",
        f"{SHARE}%",
        name=f"{len(site.nodes)} nodes in {waves_of(len(site.nodes))} waves",
    )
    return measure.in_turn((replace(one, before=undo), replace(many, before=undo)), rounds)


_BY_HAND = f"""\
set -e
systemctl reset-failed containerd
systemctl restart containerd
until ctr version > /dev/null 2>&1; do sleep 0.05; done
pid=$(systemctl show -p MainPID --value containerd)
sleep 6 & # RestartSec of 5 s and one more: what has crashed is another process by then
ctr -n by-hand run --rm --annotation io.kubernetes.cri.container-type=sandbox \\
    --runtime {CURRENT}/containerd-shim-runsc-v1 --rootfs --read-only / by-hand /bin/cat /proc/version \\
    < /dev/null || true
wait
[ "$pid" = "$(systemctl show -p MainPID --value containerd)" ]
"""


def inside_window(site: Site, rounds: int) -> Sequence[Result]:
    """Measure what is left of an install after `--stage`, beside a restart and a sandbox by hand."""
    name = site.names[0]
    (site.folder / "by-hand").write_text(_BY_HAND)
    everywhere = installed_everywhere(site)
    by_hand = Contender(
        "restart, a sandbox, 6 s of watching, by hand",
        ["sh", "-c", f"{site.ssh} {name} sh < {site.folder}/by-hand"],
        "gvisor",
        before=(everywhere,),
    )
    stage = nodeprov(site, "install", name, "--yes", "--stage", name="nodeprov install --stage")
    install = nodeprov(site, "install", name, "--yes", name="nodeprov install, after --stage")
    return measure.in_turn((by_hand, replace(install, before=(*as_before(site), stage))), rounds)
