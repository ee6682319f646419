"""A bridge on this machine and a network namespace for each of the lab's machines."""

from collections.abc import Sequence
from pathlib import Path

from nodeprov.hosts.base import check
from nodeprov.hosts.local import run_checked, run_program
from nodeprov_lab.base import Machine

PREFIX = "nplab-"
BRIDGE = "nplab0"
CONTROLLER_ADDRESS = "10.123.0.1"
PREFIX_LENGTH = 24
NAMESPACES = Path("/run/netns")
_INTERFACES = Path("/sys/class/net")


def namespace_of(machine: Machine) -> str:
    """Name the machine's network namespace, its interface on this side, its cgroup and its container."""
    return f"{PREFIX}{machine.name}"


def bridge_commands(machines: Sequence[Machine]) -> str:
    """Write the `ip -batch` text that makes the bridge, the namespaces, and a cable to each."""
    lines = [
        f"link add {BRIDGE} type bridge",
        f"address add {CONTROLLER_ADDRESS}/{PREFIX_LENGTH} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ]
    for machine in machines:
        name = namespace_of(machine)
        lines += [
            f"netns add {name}",
            f"link add {name} type veth peer name eth0 netns {name}",
            f"link set {name} master {BRIDGE} up",
        ]
    return "\n".join(lines) + "\n"


def machine_commands(machine: Machine) -> str:
    """Write the `ip -batch` text that gives the machine its address.

    There is no default route: a lab is the same with and without Internet.
    """
    return f"address add {machine.address}/{PREFIX_LENGTH} dev eth0\nlink set lo up\nlink set eth0 up\n"


def make_network(machines: Sequence[Machine]) -> None:
    """Make what is not there at all; remains of an earlier network are removed before."""
    _ip([], bridge_commands(machines))
    for machine in machines:
        _ip(["-n", namespace_of(machine)], machine_commands(machine))


def find_namespaces() -> Sequence[str]:
    """List the network namespaces with the lab's prefix."""
    return sorted(path.name for path in NAMESPACES.glob(f"{PREFIX}*"))


def find_interfaces() -> Sequence[str]:
    """List the interfaces on this side that are the lab's."""
    names = {path.name for path in _INTERFACES.glob(f"{PREFIX}*")}
    return sorted(names | ({BRIDGE} if (_INTERFACES / BRIDGE).exists() else set()))


def processes_in_namespace(name: str) -> Sequence[int]:
    """List the processes in a network namespace."""
    output = run_checked(["ip", "netns", "pids", name], f"cannot look into the network namespace {name}")
    return [int(pid) for pid in output.split()]


def remove_network() -> None:
    """Remove the namespaces, which takes what is in them along, and the interfaces."""
    for name in find_namespaces():
        run_checked(["ip", "netns", "delete", name], f"cannot remove the network namespace {name}")
    for name in find_interfaces():
        output = run_program(["ip", "link", "delete", name])
        if name in find_interfaces():  # a cable goes with its namespace, a moment later than that
            check(output, f"cannot remove the interface {name}", where="localhost")


def _ip(options: Sequence[str], commands: str) -> None:
    run_checked(["ip", *options, "-batch", "-"], "cannot make the lab's network", stdin=commands.encode())
