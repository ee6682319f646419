"""The kubelet of a node, and of several containerds the one that it talks to, with the reason."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nodeprov.containerd.distributions.profiles import PROFILES
from nodeprov.errors import Problem

_ENDPOINTS = ("containerRuntimeEndpoint", "container-runtime-endpoint")
_DRIVERS = ("cgroupDriver", "cgroup-driver")


@dataclass(frozen=True, slots=True)
class Kubelet:
    """A kubelet that runs; `said_by` is where its socket is set; `cgroup_driver` is None where none is set."""

    pid: int
    program: str
    socket: str
    said_by: str
    cgroup_driver: str | None
    """What it was told. From 1.34 on kubelet asks containerd 2 when it starts, and ignores this."""
    uses_driver: str | None = None
    """How it drives cgroups since it started, systemd or cgroupfs; None where that does not show."""
    pod_pids_limit: int | None = None
    """How many processes and threads a pod may have; None or not above 0 where it was not told."""
    files: tuple[str, ...] = ()
    """The files, and globs of files, that its settings are read from."""


def parse_kubelet(pid: int, program: str, arguments: Sequence[str], config: str, default: str) -> Kubelet:
    """Read where a kubelet talks to: its command line wins over its configuration, that over the default.

    KUBELET_EXTRA_ARGS of a unit is in the command line by then.
    """
    on_command_line = dict(flags(arguments))
    in_config = dict(_keys(config))
    found = _first(on_command_line, _ENDPOINTS), _first(in_config, _ENDPOINTS)
    said_by = (
        "its command line says so" if found[0] else "its configuration says so" if found[1] else "its default"
    )
    driver = _first(on_command_line, _DRIVERS) or _first(in_config, _DRIVERS)
    limit = _first(on_command_line, ("pod-max-pids",)) or _first(in_config, ("podPidsLimit",)) or ""
    pids = int(limit) if re.fullmatch(r"-?\d{1,18}", limit) else None
    return Kubelet(
        pid, program, plain_socket(found[0] or found[1] or default), said_by, driver, pod_pids_limit=pids
    )


def plain_socket(endpoint: str) -> str:
    """Write an endpoint as the path of a socket: without unix://, and below /run, which /var/run leads to."""
    path = endpoint.removeprefix("remote:").removeprefix("unix://")
    for name, value in ((name, value) for profile in PROFILES for name, value in profile.variables.items()):
        path = path.replace(f"${{{name}}}", value)
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Read the options of a command line, with their values."""
    for argument, following in pairwise([*arguments, ""]):
        if argument.startswith("-"):
            name, has_value, value = argument.lstrip("-").partition("=")
            yield name, value if has_value else following


def _keys(config: str) -> Iterator[tuple[str, str]]:
    """Read `key: value` lines of YAML or JSON; of drop-ins a later one wins, as kubelet reads them."""
    for line in config.splitlines():
        found = re.match(r"""\s*["']?([\w-]+)["']?\s*:\s*["']?([^"',#\s]*)""", line)
        if found:
            yield found[1], found[2]


def _first(values: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((values[name] for name in names if values.get(name)), None)


WHY_IT_MATTERS = (
    "a configuration that is edited for another containerd serves no pod (nvidia-container-toolkit#982)"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A containerd that runs on the node; `unit` is "" where no service has started it."""

    pid: int
    unit: str
    sockets: tuple[str, ...]
    config_path: str

    @property
    def said(self) -> str:
        """Describe it in a few words."""
        return f"{self.unit or f'process {self.pid}'} at {self.sockets[0] if self.sockets else 'no socket'}"

    def listens(self, socket: str) -> bool:
        """Tell whether it listens on a socket."""
        return plain_socket(socket) in [plain_socket(each) for each in self.sockets]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen one and why; or None, and the problem if there was something to choose from."""

    chosen: Candidate | None
    why: str = ""
    problem: Problem | None = None
    passed_over: tuple[Candidate, ...] = ()


NOTHING = Choice(None)


def choose(
    candidates: Sequence[Candidate],
    kubelets: Sequence[Kubelet],
    *,
    unit: str | None = None,
    socket: str | None = None,
    config: str | None = None,
) -> Choice:
    """Choose a containerd: what the settings name decides, then kubelet's endpoint, then that it is the only one.

    Where nothing decides nothing is chosen.
    """
    if not candidates:
        return NOTHING
    if unit:
        service = unit if "." in unit else f"{unit}.service"
        return _only([c for c in candidates if c.unit == service], candidates, f"[containerd] unit is {unit}")
    if socket:
        return _only([c for c in candidates if c.listens(socket)], candidates, f"[containerd] socket is {socket}")
    sockets = tuple(dict.fromkeys(kubelet.socket for kubelet in kubelets))
    if len(sockets) == 1:
        return _of_kubelet(candidates, kubelets[0])
    if len(candidates) == 1 and not sockets:
        return Choice(candidates[0], "no kubelet runs, and it is the only containerd")
    # A file is read by the daemon that names it; a setting for it distinguishes daemons where nothing else does.
    named = [c for c in candidates if c.config_path == config]
    if config and len(named) == 1 and len({c.config_path for c in candidates}) > 1:
        return _only(named, candidates, f"[containerd] config is {config}")
    among = f"kubelets talk to {' and '.join(sockets)}" if sockets else "no kubelet runs that would show it"
    return _refused(f"{len(candidates)} containerds run ({_listed(candidates)}), and {among}", candidates)


def _of_kubelet(candidates: Sequence[Candidate], kubelet: Kubelet) -> Choice:
    talks = f"{kubelet.program} talks to it ({kubelet.said_by})"
    found = [c for c in candidates if c.listens(kubelet.socket)]
    if len(found) == 1:
        return _only(found, candidates, talks)
    if not any(c.sockets for c in candidates) and len(candidates) == 1:
        return Choice(candidates[0], "it is the only containerd, and does not listen yet")
    return _refused(
        f"{kubelet.program} talks to {kubelet.socket} ({kubelet.said_by}), where "
        f"{'no' if not found else 'more than one'} containerd listens; there is {_listed(candidates)}",
        candidates,
    )


def _only(found: Sequence[Candidate], candidates: Sequence[Candidate], why: str) -> Choice:
    if len(found) == 1:
        return Choice(found[0], why, passed_over=tuple(c for c in candidates if c != found[0]))
    return _refused(
        f"{why}, which is {len(found)} of the containerds that run ({_listed(candidates)})", candidates
    )


def _refused(message: str, candidates: Sequence[Candidate]) -> Choice:
    unit = next((c.unit for c in candidates if c.unit), "containerd.service")
    problem = Problem(
        message, f'set the one that runs the pods, such as [containerd] unit = "{unit}"', WHY_IT_MATTERS
    )
    return Choice(None, problem=problem)


def _listed(candidates: Sequence[Candidate]) -> str:
    return ", ".join(each.said for each in candidates)
