"""`nodeprov doctor`: what would block an install on a node, and what an operator should know besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nodeprov.containerd import Runtime
from nodeprov.diagnosis.doctor.advice import advice
from nodeprov.diagnosis.doctor.observations import ObservationsQuery
from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Place, Reader
from nodeprov.inventory import Node
from nodeprov.kubernetes import cluster as kube
from nodeprov.kubernetes import proof_image
from nodeprov.node.facts import Facts, gather
from nodeprov.node.imported_files import import_problems, read_imports
from nodeprov.node.layout import Layout
from nodeprov.reports.findings import Finding, Severity
from nodeprov.runtimes.family import Family
from nodeprov.runtimes.requirements import check_facts


def examine(
    node: Node, readers: Mapping[Place, Reader], family: Family, clock: Callable[[], float]
) -> tuple[Finding, ...]:
    """Make every check that an install makes, and look for what is worth a recommendation; change nothing.

    `clock` tells the seconds since the epoch here. Raises NodeprovError when the node cannot be read.
    """
    reader, settings = readers[Place.NODE], node.settings
    layout = Layout.of(settings, family.program)
    facts = gather(reader, settings, layout)
    asked_at = clock()
    pid = facts.daemon.identity.pid if facts.daemon else None
    seen = reader.ask([ObservationsQuery(f"{layout.current}/{family.inspection.config}", pid)])[0]
    skew_seconds = seen.skew_seconds(asked_at, clock())
    against = [
        *check_facts(facts, settings, layout, family),
        *proof_image.check_programs(facts.machine.architecture, settings),
        *_import_problems(reader, facts, family.runtime(layout)),
        *(_cluster_problems(readers[Place.CLUSTER], node, facts) if Place.CLUSTER in readers else ()),
    ]
    return (
        # What keeps one check from being made may keep another: it is told once.
        *_findings(
            node.name, Severity.AGAINST, list({each.message: each for each in reversed(against)}.values())[::-1]
        ),
        *_findings(node.name, Severity.ADVICE, advice(facts, settings, family, seen, skew_seconds)),
    )


def _import_problems(reader: Reader, facts: Facts, runtime: Runtime) -> Sequence[Problem]:
    if facts.daemon is None:
        return ()
    try:
        return import_problems(facts.daemon, runtime, read_imports(reader, facts.daemon))
    except NodeprovError as error:
        return (Problem(f"{facts.daemon.config_path}: {error.message}", error.hint),)


def _cluster_problems(reader: Reader, node: Node, facts: Facts) -> Sequence[Problem]:
    try:
        return kube.check_cluster(kube.read(reader, node.settings, node.name), node, facts.machine)
    except NodeprovError as error:
        return (
            Problem(f"the cluster cannot be read: {error.message}", error.hint, "the node would not be labelled"),
        )


def _findings(node: str, severity: Severity, problems: Sequence[Problem]) -> tuple[Finding, ...]:
    return tuple(Finding(node, severity, each.message, each.why, each.hint) for each in problems)
