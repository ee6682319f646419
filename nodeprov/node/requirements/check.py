"""All that stands against an installation on a node, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nodeprov.containerd import Runtime
from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.machine import Machine
from nodeprov.node.requirements import configuration, containerd, places


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What stands against one runtime alone, by where it belongs among what stands against any."""

    uses: Mapping[str, str]
    """What each of [paths] is there for."""
    release_bytes: int | None
    """How much room is needed for a release; None if it is there, or not known yet."""
    kernel: Iterable[Problem]
    platform: Iterable[Problem]
    containerd: Iterable[Problem] = ()
    configuration: Iterable[Problem] = ()
    files: Iterable[Problem]


def check(of: Machine, settings: Settings, own: Own, of_daemon: Iterable[Problem]) -> tuple[Problem, ...]:
    """List everything; `of_daemon` is what `of_daemon` finds, or that there is none."""
    return (
        *_root(of),
        *own.kernel,
        *_systemd(of),
        *own.platform,
        *places.usable(of, settings, own.uses),
        *(places.room(of, own.release_bytes) if own.release_bytes is not None else ()),
        *of_daemon,
        *own.files,
    )


def of_daemon(
    of: Machine, daemon: Daemon, settings: Settings, runtime: Runtime, former: Sequence[Runtime], own: Own
) -> Iterator[Problem]:
    """Find what of containerd and of its configuration stands against our table in it."""
    yield from containerd.unit(daemon)
    yield from own.containerd
    yield from containerd.works(daemon)
    yield from configuration.source(of, daemon)
    yield from configuration.link(daemon)
    yield from own.configuration
    yield from configuration.default_runtime(daemon)
    yield from configuration.handler(daemon, runtime, former)
    yield from configuration.style(daemon, settings)


def _root(machine: Machine) -> Iterator[Problem]:
    """See that commands run as root."""
    if machine.uid != 0:
        yield Problem(
            "the commands do not run as root",
            "let the user use sudo, or log in as root",
            "files below /opt and /etc, and the restart of a service, are root's",
        )


def _systemd(machine: Machine) -> Iterator[Problem]:
    """See that systemd runs, which restarts containerd."""
    if machine.systemd_version is None:
        yield Problem(
            "systemd does not run on this node",
            "this version restarts containerd by systemd only",
            "containerd reads its configuration at its start only",
        )
