"""gVisor's runtime, layout and generations, as settings want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nodeprov.containerd import Runtime
from nodeprov.inventory import Node, Settings, Ssh
from nodeprov.node.daemon import Daemon
from nodeprov.node.layout import Layout
from nodeprov.node.state import Facts, NodeState
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import Generation
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.gvisor.shim import NAME


def runsc(handler: str, shim: str, toml: str, annotations: Sequence[str] = ()) -> Runtime:
    """gVisor's table with these paths."""
    usual = GVISOR.runtime(Layout("/p", handler, "", "runsc"))
    options = tuple((key, toml if key == "ConfigPath" else value) for key, value in usual.options)
    return replace(usual, runtime_path=shim, options=options, pod_annotations=tuple(annotations))


def config_path(runtime: Runtime) -> str:
    return str(dict(runtime.options)["ConfigPath"])


def layout_of(wanted: Settings, former: Sequence[str] = ()) -> Layout:
    return replace(Layout.of(wanted, GVISOR.program), former=tuple(former))


def runtime_of(wanted: Settings) -> Runtime:
    return GVISOR.runtime(layout_of(wanted))


def state_of(wanted: Settings, facts: Facts, *, daemon: Daemon | None = None) -> NodeState:
    """What is known of worker1, which has no cluster."""
    facts = replace(facts, daemon=daemon) if daemon else facts
    layout = layout_of(wanted, facts.footprint.prefixes[1:])
    return NodeState.of(Node("worker1", Ssh(address="worker1"), wanted), layout, facts, None)


def generation_of(wanted: Settings, made: Release, facts: Facts) -> Generation:
    return GVISOR.generation(state_of(wanted, facts), made)


def runsc_toml(generation: Generation) -> str:
    return generation.files[NAME].content.decode()
