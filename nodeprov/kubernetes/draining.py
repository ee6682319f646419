"""Pods that must leave a node before its runtime goes."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodeprov.errors import NodeprovError, Problem, taking_json_apart
from nodeprov.hosts.base import Output, Reader
from nodeprov.inventory import Settings, syntax
from nodeprov.kubernetes.kubectl import forbidden_hint, kubectl
from nodeprov.templates import render

ENDED = ("Succeeded", "Failed")
FORBIDDEN, ENDING = "its PodDisruptionBudget forbids it", "ending"
"""Why a pod that was evicted is still there."""
MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a drain may do to pods only when it is told to: `kubectl drain` has options of the same names.

    Args:
        force: evict pods that no controller makes again.
        delete_emptydir_data: evict pods with emptyDir volumes, whose content is lost.
    """

    force: bool = False
    delete_emptydir_data: bool = False


SETTINGS = {"--force": "drain_force", "--delete-emptydir-data": "drain_emptydir_data"}
"""The settings of [rollout] that allow the same where a whole node is drained."""
NOTHING_LOST = Allowed()
"""What holds where nobody has allowed more."""


def allowed_of(settings: Settings) -> Allowed:
    """Return what the settings allow a drain of a whole node."""
    return Allowed(settings.rollout.drain_force, settings.rollout.drain_emptydir_data)


@dataclass(frozen=True, slots=True)
class NodePod:
    """A pod on a node, as namespace/name, and what an eviction would mean for it."""

    name: str
    has_our_class: bool = True
    """Whether its RuntimeClass is there and leads to our handler."""
    controller: str = "ReplicaSet"
    """The kind of what makes it again; "" if nothing does."""
    empty_dirs: tuple[str, ...] = ()
    is_mirror: bool = False
    """Whether it is a static pod's image in the cluster, which eviction does not end."""
    has_ended: bool = False
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    uid: str = ""
    is_ending: bool = False
    """Whether it is being deleted."""


@dataclass(frozen=True, slots=True)
class NodePodsQuery:
    """Which pods are on a node, and which of them are to run with our handler?"""

    settings: Settings
    node: str

    @property
    def script(self) -> str:
        """Print the RuntimeClasses and the node's pods as JSON, one a line."""
        kube = kubectl(self.settings.cluster)
        on_node = f"spec.nodeName={self.node}"
        calls = (
            ("get", "runtimeclass", "-o", "json"),
            ("get", "pods", "-A", "--field-selector", on_node, "-o", "json"),
        )
        return render("cluster/kubectl.sh.j2", calls=[kube.line(*call) for call in calls])

    def parse(self, output: Output) -> tuple[NodePod, ...]:
        """Understand what kubectl printed."""
        if output.returncode != 0:
            raise NodeprovError(
                f"kubectl cannot read the pods: {output.said}", forbidden_hint(output.said), where=self.node
            )
        handler = self.settings.runtime.handler
        with taking_json_apart():
            classes, pods = (json.loads(line)["items"] for line in output.text.split("\n")[:2])
            ours = {each["metadata"]["name"] for each in classes if each["handler"] == handler}
            return tuple(node_pod(pod, ours) for pod in pods)


def node_pod(pod: Mapping[str, Any], classes: Collection[str] = ()) -> NodePod:
    """Read a Pod; `classes` are the RuntimeClasses that lead to our handler. Raises what malformed JSON raises."""
    metadata, spec = pod["metadata"], pod["spec"]
    owners = metadata.get("ownerReferences") or ()
    # As kubectl: of several owners it is the controller that makes it again.
    controllers = [each["kind"] for each in owners if each.get("controller") or each["kind"] == "DaemonSet"]
    return NodePod(
        _named(metadata),
        has_our_class=spec.get("runtimeClassName") in classes,
        controller=next(iter(controllers), ""),
        empty_dirs=tuple(each["name"] for each in spec.get("volumes") or () if each.get("emptyDir") is not None),
        is_mirror=MIRROR in (metadata.get("annotations") or {}),
        has_ended=(pod.get("status") or {}).get("phase") in ENDED,
        labels=metadata.get("labels") or {},
        uid=metadata.get("uid", ""),
        is_ending=bool(metadata.get("deletionTimestamp")),
    )


def node_pods(reader: Reader, settings: Settings, node: str) -> tuple[NodePod, ...]:
    """Read the pods on a node."""
    pods: tuple[NodePod, ...] = reader.ask([NodePodsQuery(settings, node)])[0]
    return pods


def sandboxed(pods: Iterable[NodePod], running: Collection[str]) -> tuple[NodePod, ...]:
    """Pick the pods that run with our handler, or would when they begin.

    What a pod really runs with the node knows, as `running`: its RuntimeClass may have been deleted since, or
    lead elsewhere, and a pod without one gets the default runtime.
    """
    return tuple(pod for pod in pods if pod.has_our_class or pod.name in running)


def movable(pods: Iterable[NodePod]) -> tuple[NodePod, ...]:
    """Pick the pods that `kubectl drain --ignore-daemonsets` would evict, and that still run."""
    return tuple(pod for pod in pods if not (pod.has_ended or pod.is_mirror or pod.controller == "DaemonSet"))


def awaited(pods: Iterable[NodePod], settings: Settings) -> tuple[NodePod, ...]:
    """Pick the pods whose end is waited for: the chosen ones, but for those that never end by themselves."""
    if settings.rollout.wait_for is None:
        return ()
    from nodeprov.inventory.selector import parse_selector  # few have one

    chosen = parse_selector(settings.rollout.wait_for)
    return tuple(pod for pod in movable(pods) if chosen.fits(pod.labels))


def losses(pods: Iterable[NodePod]) -> tuple[str, ...]:
    """Say of pods what is lost with them, which `kubectl drain` asks an option for."""
    gone = [(pod.name, said) for pod in pods for said in (_unmanaged(pod), _local_data(pod)) if said]
    return tuple(f"{name}: {said}" for name, said in gone)


def _unmanaged(pod: NodePod) -> str:
    """Say that nothing makes a pod again (kubectl: pkg/drain/filters.go, `unreplicatedFilter`)."""
    return "" if pod.controller or pod.has_ended else "no controller makes it again"


def _local_data(pod: NodePod) -> str:
    """Say that data goes with a pod (`localStorageFilter`)."""
    names = () if pod.has_ended else pod.empty_dirs
    return f"what is in its emptyDir {' and '.join(names)}" if names else ""


def drain_problems(
    pods: Sequence[NodePod], allowed: Allowed, node: str, *, whole: bool = False, again: str = ""
) -> Iterator[Problem]:
    """Find what keeps pods from being evicted: what would be in vain, and what loses something unasked.

    `again` is what to type to do it again; by default the uninstall of the node.
    """
    returning = [pod.name for pod in pods if pod.controller == "DaemonSet" and not pod.has_ended]
    static = [pod.name for pod in pods if pod.is_mirror]
    if returning:  # they tolerate a cordon
        yield Problem(
            f"a DaemonSet's pods cannot be drained, for they come back: {', '.join(returning)}",
            "delete the DaemonSet, or have it without runtimeClassName or on other nodes, until this is done",
        )
    if static:
        yield Problem(
            f"static pods cannot be drained, for kubelet makes them from files: {', '.join(static)}",
            f"take their manifests out of kubelet's staticPodPath on {node}, until this is done",
        )
    movable = [pod for pod in pods if pod.name not in (*returning, *static)]
    bare = [pod.name for pod in movable if _unmanaged(pod)] if not allowed.force else []
    with_data = [pod.name for pod in movable if _local_data(pod)] if not allowed.delete_emptydir_data else []
    options = [
        *(["--force"] if bare or allowed.force else []),
        *(["--delete-emptydir-data"] if with_data or allowed.delete_emptydir_data else []),
    ]
    anyway = " and ".join(f"[rollout] {SETTINGS[option]} = true" for option in options)
    if not whole:
        again = again or f"nodeprov uninstall {node}"
        anyway = f"{again} --drain {' '.join(options)}"
    if bare:
        yield Problem(
            f"no controller makes these pods again: {', '.join(bare)}",
            f"delete them, or evict them all the same: {anyway}",
            "they would be gone for good; kubectl drain evicts such pods with --force only",
        )
    if with_data:
        yield Problem(
            f"these pods lose what is in their emptyDir volumes: {', '.join(with_data)}",
            f"save what is needed, then: {anyway}",
            "it is deleted with the pod; kubectl drain evicts such pods with --delete-emptydir-data only",
        )


def do_not_leave(why: Mapping[str, str], node: str) -> NodeprovError:
    """Return the error for pods that have not left a node in time; `why` says it of each of them."""
    said = ", ".join(f"{name} ({reason})" for name, reason in why.items())
    hint = "look at their PodDisruptionBudgets and finalizers: kubectl get pdb -A"
    return NodeprovError(f"these pods do not leave: {said}", hint, where=node)


def have_not_ended(names: Sequence[str], settings: Settings, node: str) -> NodeprovError:
    """Return the error for pods that were waited for, and that have not ended in time."""
    return NodeprovError(
        f"these pods have not ended within {settings.rollout.wait_timeout_seconds} s: {', '.join(names)}",
        'run this again when they have, or set [rollout] wait_timeout_seconds, or wait_then = "evict"',
        where=node,
    )


@dataclass(frozen=True, slots=True)
class Leaving:
    """The pods that leave a node, as namespace/name: those that are evicted, and those that are waited for.

    `losses` is what is lost with them, `problems` what keeps them there.
    """

    pods: tuple[str, ...]
    awaited: tuple[str, ...]
    losses: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_leaving(reader: Reader, settings: Settings, node: str) -> Leaving:
    """Find the pods that would leave a node before its restart, as the settings say."""
    return leaving(node_pods(reader, settings, node), settings, node)


def leaving(there: Iterable[NodePod], settings: Settings, node: str) -> Leaving:
    """Say which of the pods on a node would leave it before its restart, as the settings say.

    Those that are waited for lose something only where they are evicted if they take too long.
    """
    rollout = settings.rollout
    pods = movable(there)
    chosen = awaited(pods, settings)
    evicted = tuple(pod for pod in pods if pod not in chosen) if rollout.drain else ()
    lost = (*evicted, *chosen) if rollout.wait_then == "evict" else evicted
    problems = tuple(drain_problems(lost, allowed_of(settings), node, whole=True))
    return Leaving(_names(evicted), _names(chosen), losses(lost), problems)


def read_leaving_sandboxed(
    reader: Reader,
    settings: Settings,
    node: str,
    running: Collection[str],
    allowed: Allowed,
    *,
    again: str = "",
) -> Leaving:
    """Find the pods of a node that run with our handler, as `running` knows, and that are to leave it.

    `again` is what to type to have them leave, without --drain.
    """
    pods = sandboxed(node_pods(reader, settings, node), running)
    chosen = awaited(pods, settings)
    evicted = tuple(pod for pod in pods if pod not in chosen)
    lost = pods if settings.rollout.wait_then == "evict" else evicted
    problems = tuple(drain_problems(lost, allowed, node, again=again))
    return Leaving(_names(evicted), _names(chosen), losses(evicted), problems)


def _names(pods: Iterable[NodePod]) -> tuple[str, ...]:
    return tuple(pod.name for pod in pods)


def _named(metadata: Mapping[str, Any]) -> str:
    """Write namespace/name; these become a part of a path, and of what is shown."""
    for name in (metadata["namespace"], metadata["name"]):
        if not syntax.DNS_SUBDOMAIN.accepts(name):
            raise ValueError(f"{name!r} is not the name of a pod")
    return f"{metadata['namespace']}/{metadata['name']}"
