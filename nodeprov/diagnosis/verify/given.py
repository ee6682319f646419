"""What a check may ask for by the name of a parameter, made when a check first asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import Any

from testinfra.host import Host as TestinfraHost

from nodeprov.diagnosis.verify.check import skip
from nodeprov.diagnosis.verify.subject import Subject
from nodeprov.hosts.base import Place
from nodeprov.kubernetes import proof_image
from nodeprov.kubernetes.pod_cgroups import PodCgroups, PodCgroupsQuery
from nodeprov.kubernetes.proof_image import ProofImage
from nodeprov.kubernetes.proof_pods import Pod, Prover
from nodeprov.node.cluster_state import ClusterState


class Given:
    """All that the checks of one node work with; at its end the pods and their image are removed.

    `sleep` is how they wait for a pod; it may raise what is to end them.
    """

    def __init__(self, subject: Subject, sleep: Callable[[float], None] = time.sleep) -> None:
        self.subject = subject
        self._sleep = sleep
        self._made = ExitStack()

    def __enter__(self) -> Given:
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()

    @cached_property
    def host(self) -> TestinfraHost:
        """The node as testinfra sees it."""
        return self.subject.testinfra

    @cached_property
    def cluster(self) -> ClusterState:
        """What is known of the cluster."""
        if self.subject.state.cluster is None:
            skip("[cluster] enabled is false")
        return self.subject.state.cluster

    @cached_property
    def runtime_class(self) -> dict[str, Any]:
        """The RuntimeClass, which another check has found."""
        return dict(self.cluster.runtime_class or {})

    @cached_property
    def prover(self) -> Prover:
        """The cluster, as something that runs pods on the node."""
        subject, _ = self.subject, self.cluster
        if not subject.settings.proof.pod:
            skip("[proof] pod is false: none is run")
        return Prover(subject.hosts[Place.CLUSTER], subject.settings, subject.node.name, self._sleep)

    @cached_property
    def image(self) -> ProofImage:
        """The image of the pods, on the node; where no pod is run, it is not brought there."""
        subject, _ = self.subject, self.prover
        state = subject.state
        where = (subject.hosts[Place.NODE], state.machine.architecture, state.daemon)
        image = proof_image.available(*where, subject.settings)
        return self._made.enter_context(image)

    @cached_property
    def pod(self) -> Pod:
        """A pod that runs on the node."""
        return self._made.enter_context(self.prover.running_pod(self.image, "serve"))

    @cached_property
    def cgroups(self) -> PodCgroups:
        """The cgroups around the pod's sandbox, before it has worked much."""
        if not self.subject.family.inspection.has_process:
            skip(f"{self.subject.family.name} has no process of its own in a pod")
        return cgroups_of(self.subject, self.pod)


def cgroups_of(subject: Subject, pod: Pod) -> PodCgroups:
    """Look at the cgroups around a pod's sandbox."""
    query = PodCgroupsQuery(pod.uid, subject.layout.prefix, subject.family.shim)
    found: PodCgroups = subject.hosts[Place.NODE].ask([query])[0]
    return found
