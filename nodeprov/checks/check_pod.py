"""A pod of the RuntimeClass is sandboxed, and its limits hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from testinfra.host import Host

from nodeprov.plan import Place
from nodeprov.pods import POD_MEMORY, Pod, Prover
from nodeprov.quantities import parse_quantity
from nodeprov.templates import render
from nodeprov.verification import Subject


@pytest.fixture(scope="session")
def prover(subject: Subject) -> Prover:
    """Give a check the cluster, as something that runs pods."""
    if subject.cluster is None:
        pytest.skip("[cluster] enabled is false")
    if not subject.settings.proof.image:
        pytest.skip("[proof] image is not set: no pod is run")
    return Prover(subject.hosts[Place.CLUSTER], subject.settings, subject.node.name)


@pytest.fixture(scope="session")
def pod(prover: Prover) -> Iterator[Pod]:
    """Give a check a pod that runs on the node."""
    with prover.running_pod(("sleep", "600")) as pod:
        yield pod


def check_pod_boots_gvisor(pod: Pod) -> None:
    """A pod's kernel log is gVisor's."""
    said = pod.execute("dmesg")
    assert "Starting gVisor" in said, f"its kernel log says {said[:200]!r}"


def check_pod_kernel(pod: Pod, host: Host) -> None:
    """A pod's kernel is not the node's."""
    inside, outside = pod.execute("cat", "/proc/version"), host.check_output("cat /proc/version")
    assert inside.strip() != outside.strip(), f"both are {outside!r}"
    assert "gvisor" in inside.lower(), f"its kernel is {inside!r}"


def check_pod_memory_limit(subject: Subject, pod: Pod, host: Host) -> None:
    """A cgroup around the sandbox process allows the pod's limit and the overhead, and no more."""
    overhead = subject.settings.runtime_class.overhead.get("memory", "0")
    wanted = int(parse_quantity(POD_MEMORY) + parse_quantity(overhead))
    found = parse_cgroups(host.check_output(sandbox_script(subject, pod)))
    assert found.sandboxes, "no sandbox process is in a cgroup of the pod: its limits hold nothing"
    assert wanted in found.limits, f"no cgroup around the sandbox has the limit {wanted}, only {found.limits}"
    assert min(found.limits) == wanted, f"a cgroup around the sandbox allows {min(found.limits)}, not {wanted}"


def check_pod_placement(subject: Subject, prover: Prover) -> None:
    """A pod of the RuntimeClass is sent to labelled nodes only."""
    label = subject.settings.label
    selector = prover.admitted()["spec"].get("nodeSelector", {})
    assert selector.get(label.key) == label.value, f"its nodeSelector is {selector}: run nodeprov install"


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The sandbox processes of a pod, and the memory limits around them in bytes."""

    sandboxes: tuple[str, ...]
    limits: tuple[int, ...]


def parse_cgroups(text: str) -> Cgroups:
    """Understand what templates/sandbox-cgroups.sh.j2 prints."""
    rows = [line.split(" ") for line in text.splitlines()]
    limits = [row[-1] for row in rows if row[0] == "limit"]
    return Cgroups(
        tuple(row[1] for row in rows if row[0] == "process" and not row[2].endswith("containerd-shim-runsc-v1")),
        tuple(sorted({int(limit) for limit in limits if limit.isdigit()})),
    )


def sandbox_script(subject: Subject, pod: Pod) -> str:
    """Write the script that looks at the cgroups around a pod's sandbox."""
    return render("sandbox-cgroups.sh.j2", uid=pod.uid, prefix=subject.settings.paths.prefix)
