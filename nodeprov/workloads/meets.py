"""What of the catalogue a workload meets: each behaviour has a function that finds the fields that lead to it."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nodeprov.workloads.catalogue import Behaviour, catalogue
from nodeprov.workloads.documents import Value
from nodeprov.workloads.pods import Workload
from nodeprov.workloads.programs import programs

_MANY = 6
"""So many containers fit into the overhead of the RuntimeClass: 24 MiB for the first, and 7 MiB for each more."""
_MESH_INIT = ("istio-init", "linkerd-init")
"""The names that Istio and Linkerd give their init containers (both: their charts' templates)."""
_IPTABLES = re.compile(r"(istio-)?(ip6?|x)tables(-legacy|-nft)?(-multi|-save|-restore)?")
_SETS_NO_RULES = ("--skip-rule-apply", "--skip-rule-apply=true")
"""istio-iptables then looks at what the CNI plugin has set (istio: tools/istio-iptables/pkg/cmd/root.go)."""

_NET_RAW, _ALL = ("NET_RAW", "CAP_NET_RAW"), "ALL"

Finder = Callable[[Workload], Iterable[Value]]


@dataclass(frozen=True, slots=True)
class Met:
    """A behaviour that a workload meets, and the field that leads to it."""

    workload: Workload
    behaviour: Behaviour
    path: str
    line: int


_FINDERS: dict[str, Finder] = {}


def finds(name: str) -> Callable[[Finder], Finder]:
    """Register what finds the fields that lead to a behaviour."""

    def register(finder: Finder) -> Finder:
        _FINDERS[name] = finder
        return finder

    return register


def known() -> frozenset[str]:
    """Name the behaviours that are found in manifests."""
    return frozenset(_FINDERS)


def met(workload: Workload) -> list[Met]:
    """Find what a workload meets; the worst first, and then by the lines."""
    found = [
        Met(workload, behaviour, value.path, value.line)
        for behaviour in catalogue().values()
        if behaviour.id in _FINDERS
        for value in _FINDERS[behaviour.id](workload)
    ]
    order = list(type(found[0].behaviour.effect)) if found else []
    return sorted(found, key=lambda each: (order.index(each.behaviour.effect), each.line))


def _there(*values: Value | None) -> Iterator[Value]:
    yield from (each for each in values if each is not None)


def _true(workload: Workload, *names: str) -> Iterator[Value]:
    yield from (each for each in _there(workload.spec.get(*names)) if each.is_true)


def _has_volume_at(workload: Workload, container: Value, path: str) -> bool:
    return any(each.said("mountPath").rstrip("/") == path for each in workload.mounts(container))


def _of_contexts(workload: Workload, *names: str) -> Iterator[Value]:
    """Find a field of the pod's securityContext, or of a container's, which counts more."""
    found = [each.get("securityContext", *names) for each in workload.all_containers]
    yield from _there(*found)
    if any(each is None for each in found):
        yield from _there(workload.spec.get("securityContext", *names))


@finds("host-users")
def _host_users(workload: Workload) -> Iterator[Value]:
    yield from (each for each in _there(workload.spec.get("hostUsers")) if each.is_false)


@finds("mount-bidirectional")
def _bidirectional(workload: Workload) -> Iterator[Value]:
    for container in workload.all_containers:
        for mount in workload.mounts(container):
            yield from (each for each in _there(mount.get("mountPropagation")) if each.text == "Bidirectional")


@finds("recursive-read-only")
def _recursive_read_only(workload: Workload) -> Iterator[Value]:
    for container in workload.all_containers:
        for mount in workload.mounts(container):
            yield from (each for each in _there(mount.get("recursiveReadOnly")) if each.text == "Enabled")


@finds("service-mesh-init")
def _service_mesh_init(workload: Workload) -> Iterator[Value]:
    for container in workload.spec.members("initContainers"):
        words = [each.text for each in (*container.members("command"), *container.members("args"))]
        if container.said("name") in _MESH_INIT or _calls_iptables(words):
            yield container


def _calls_iptables(words: Sequence[str]) -> bool:
    if any(each in _SETS_NO_RULES for each in words) or not any("tables" in each for each in words):
        return False
    return any(_IPTABLES.fullmatch(each) for each in programs(words))


@finds("raw-sockets")
def _raw_sockets(workload: Workload) -> Iterator[Value]:
    for container in workload.all_containers:
        capabilities = container.get("securityContext", "capabilities")
        yield from _with_net_raw(capabilities) if capabilities else ()


def _with_net_raw(capabilities: Value) -> Iterator[Value]:
    """Find what adds it, as containerd's CRI does (internal/cri/opts): all added, all dropped, then one by one."""
    dropped = {each.text.upper() for each in capabilities.members("drop")}
    if dropped.isdisjoint(_NET_RAW):
        meant = _NET_RAW if _ALL in dropped else (*_NET_RAW, _ALL)
        yield from (each for each in capabilities.members("add") if each.text.upper() in meant)


@finds("host-path-socket")
def _host_path_socket(workload: Workload) -> Iterator[Value]:
    yield from (each for each in _host_paths(workload) if _is_socket(each))


@finds("host-path")
def _host_path(workload: Workload) -> Iterator[Value]:
    yield from (each for each in _host_paths(workload) if not _is_socket(each))


def _host_paths(workload: Workload) -> Iterator[Value]:
    mounted = {each.said("name") for container in workload.all_containers for each in workload.mounts(container)}
    yield from (each for name, each in workload.volumes("hostPath").items() if name in mounted)


def _is_socket(volume: Value) -> bool:
    return volume.said("type") == "Socket" or volume.said("path").endswith(".sock")


@finds("host-network")
def _host_network(workload: Workload) -> Iterator[Value]:
    yield from _true(workload, "hostNetwork")


@finds("host-pid")
def _host_pid(workload: Workload) -> Iterator[Value]:
    yield from _true(workload, "hostPID")


@finds("host-ipc")
def _host_ipc(workload: Workload) -> Iterator[Value]:
    yield from _true(workload, "hostIPC")


@finds("shared-volume")
def _shared_volume(workload: Workload) -> Iterator[Value]:
    mounted = [{each.said("name") for each in workload.mounts(container)} for container in workload.containers]
    times = Counter(itertools.chain(*mounted))
    yield from (volume for name, volume in workload.volumes("emptyDir").items() if times[name] > 1)


@finds("sysctls")
def _sysctls(workload: Workload) -> Iterator[Value]:
    yield from workload.spec.members("securityContext", "sysctls")


@finds("resize")
def _resize(workload: Workload) -> Iterator[Value]:
    for container in workload.containers if not workload.is_live else ():  # the API server fills it in
        yield from container.members("resizePolicy")[:1]


@finds("limits-inside")
def _limits_inside(workload: Workload) -> Iterator[Value]:
    for container in workload.all_containers:
        for what in ("memory", "cpu"):
            yield from _there(container.get("resources", "limits", what))


@finds("memory-of-all")
def _memory_of_all(workload: Workload) -> Iterator[Value]:
    running = workload.containers
    for container in running if len(running) > 1 else ():
        yield from _there(container.get("resources", "limits", "memory"))


@finds("seccomp")
def _seccomp(workload: Workload) -> Iterator[Value]:
    found = _of_contexts(workload, "seccompProfile")
    yield from (each for each in found if each.said("type") in ("RuntimeDefault", "Localhost"))


@finds("setuid")
def _setuid(workload: Workload) -> Iterator[Value]:
    for container in workload.all_containers:
        found = _there(container.get("securityContext", "allowPrivilegeEscalation"))
        yield from (each for each in found if each.is_true)


@finds("watched-config")
def _watched_config(workload: Workload) -> Iterator[Value]:
    watched = {
        each.said("name")
        for container in workload.containers
        for each in workload.mounts(container)
        if not (each.said("subPath") or each.said("subPathExpr"))
    }
    volumes = workload.volumes("configMap", "secret", "projected", "downwardAPI")
    # The token of the service account, which the API server mounts, is read anew by who uses it.
    mounted = (name for name in volumes if name in watched and not name.startswith("kube-api-access-"))
    yield from (volumes[name] for name in mounted)


@finds("temporary-files")
def _temporary_files(workload: Workload) -> Iterator[Value]:
    for container in workload.containers:
        if not _has_volume_at(workload, container, "/tmp"):  # noqa: S108  a path in the pod
            yield from _there(container.get("resources", "limits", "ephemeral-storage"))


@finds("read-only-root")
def _read_only_root(workload: Workload) -> Iterator[Value]:
    for container in workload.all_containers:
        found = container.get("securityContext", "readOnlyRootFilesystem")
        if found and found.is_true and not _has_volume_at(workload, container, "/tmp"):  # noqa: S108  a path in the pod
            yield found


@finds("terminal")
def _terminal(workload: Workload) -> Iterator[Value]:
    for container in workload.containers:
        yield from (each for each in _there(container.get("tty")) if each.is_true)


@finds("many-containers")
def _many_containers(workload: Workload) -> Iterator[Value]:
    if len(workload.containers) > _MANY:
        yield from _there(workload.spec.get("containers"))
