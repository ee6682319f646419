"""`nodeprov doctor`: what would block an install on a node, and what an operator should know besides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nodeprov.containerd import Refused, Runtime, dead_tables_of_others
from nodeprov.containerd.distributions.distribution import says_that_it_is_made
from nodeprov.containerd.distributions.profiles import PLAIN
from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Output, Place, Reader
from nodeprov.inventory import Node, Settings
from nodeprov.kubernetes import cluster as kube
from nodeprov.kubernetes import cluster_read, images
from nodeprov.kubernetes.admission import Admission, AdmissionQuery
from nodeprov.node import cgroups, requirements
from nodeprov.node.daemon import Daemon
from nodeprov.node.daemon_choice import WHY_IT_MATTERS
from nodeprov.node.fact_parsers import named_values
from nodeprov.node.facts import gather
from nodeprov.node.imported_files import import_problems, read_imports
from nodeprov.node.layout import Layout
from nodeprov.node.pending_changes import lost_changes, pending_changes, pending_problems
from nodeprov.node.state import Facts
from nodeprov.reports.findings import Finding, Severity
from nodeprov.runtimes.family import Family
from nodeprov.runtimes.requirements import check_facts
from nodeprov.templates import render


@dataclass(frozen=True, slots=True)
class Observations:
    """What was found. `proxies` is of containerd's environment, with names in capitals and without passwords."""

    now: float
    """The node's clock, in seconds since the epoch."""
    fapolicyd: bool
    proxies: Mapping[str, str]
    config: str | None
    """The text of the current generation's configuration; None where none is in force."""

    def skew_seconds(self, asked_at: float, answered_at: float) -> float:
        """Return how far the node's clock is from ours; what lay between question and answer counts for it."""
        return max(0.0, asked_at - self.now, self.now - answered_at)


@dataclass(frozen=True, slots=True)
class ObservationsQuery:
    """The one question from which they come: `config` is a path, and `pid` containerd's."""

    config: str
    pid: int | None

    @property
    def script(self) -> str:
        """The script that reads them."""
        return render("node/doctor.sh.j2", pid=self.pid or 0, config=self.config)

    def parse(self, output: Output) -> Observations:
        """Parse what the script printed."""
        values = named_values(output.text)
        proxies = (line.partition("=") for line in values.get("proxies", "").splitlines())
        return Observations(
            now=float(values["now"]),
            fapolicyd=values.get("fapolicyd") == "active",
            proxies={name.upper(): value for name, _, value in proxies if value},
            config=values.get("config"),
        )


SPACE_BYTES = 640 << 20
"""A release of 2026 unpacked, 330 MB, the archive's worth of room that it may grow by, and what must stay free."""
SKEW_SECONDS = 30.0


def advice(
    facts: Facts, settings: Settings, family: Family, seen: Observations, skew_seconds: float
) -> tuple[Problem, ...]:
    """Find what is worth knowing before an install, and after one."""
    found = [*_machine(facts, settings, family), *_surroundings(facts, settings, family, seen, skew_seconds)]
    if facts.daemon is not None and facts.machine.is_root:
        runtime = family.runtime(Layout.of(settings, family.program))
        found += [
            *_daemon(facts.daemon),
            *_tables(facts.daemon, runtime),
            *_cgroups(facts, facts.daemon, family, seen),
        ]
    return tuple(found)


def _machine(facts: Facts, settings: Settings, family: Family) -> Iterator[Problem]:
    if facts.machine.cgroup_version == 1:
        yield Problem(
            "the node uses cgroup v1",
            "boot with systemd.unified_cgroup_hierarchy=1, or a distribution that has cgroup v2",
            "Kubernetes only maintains v1, and kubelet refuses it from 1.35 unless failCgroupV1 is false "
            "(kubernetes/enhancements#5573)",
        )
    yield from family.inspection.machine_warnings(facts.machine)
    yield from family.inspection.machine_advice(facts.machine, settings)
    if facts.daemon is not None:
        yield from requirements.forgotten_places(facts.machine, settings, facts.daemon)
    if facts.machine.free_bytes < SPACE_BYTES:
        yield Problem(
            f"{facts.machine.free_at} has {facts.machine.free_bytes >> 20} MiB free",
            "free space there, or set [paths] prefix to a larger file system",
            "a release takes about 330 MB, and the previous one stays until no sandbox needs it",
        )


def _surroundings(
    facts: Facts, settings: Settings, family: Family, seen: Observations, skew_seconds: float
) -> Iterator[Problem]:
    if skew_seconds > SKEW_SECONDS:
        yield Problem(
            f"the node's clock is {skew_seconds:.0f} seconds from this machine's",
            "timedatectl set-ntp true, on whichever is wrong",
            "certificates seem expired or not yet valid, and receipts cannot be sorted by their times",
        )
    if seen.fapolicyd:
        yield Problem(
            "fapolicyd runs: it forbids programs that no package has brought",
            f"fapolicyd-cli --file add {settings.paths.prefix}/ && fapolicyd-cli --update",
            f"{family.program} would be refused with `Operation not permitted`",
        )
    proxied = [name for name in ("HTTPS_PROXY", "HTTP_PROXY") if name in seen.proxies]
    if proxied and "NO_PROXY" not in seen.proxies:
        yield Problem(
            f"containerd goes through {seen.proxies[proxied[0]]} for everything: it has no NO_PROXY",
            f"systemctl edit {facts.daemon.unit if facts.daemon else 'containerd'}: "
            'Environment="NO_PROXY=localhost,127.0.0.1,.svc,.cluster.local" and your registries',
            "images of the cluster's own registries are asked of the proxy; nodeprov's own is imported",
        )


def _tables(daemon: Daemon, runtime: Runtime) -> Iterator[Problem]:
    try:
        dead = dead_tables_of_others(daemon.file, runtime, daemon.version_to_start)
    except Refused:
        return  # an install says so
    if daemon.distribution == PLAIN and (said := says_that_it_is_made(daemon.file.text)):
        yield Problem(
            f"{daemon.config_path} says {said!r}",
            "have what makes it declare the runtime, or install again after it has run",
            "it may take nodeprov's table out again, and pods of the RuntimeClass would no longer start",
        )
    for table in dead:
        yield Problem(
            f"{table} of {daemon.config_path} is dead",
            "take it out: an install leaves what is not nodeprov's",
            f"containerd {daemon.version_to_start} reads the runtimes of this file elsewhere, and ignores it "
            "without a message",
        )


def _daemon(daemon: Daemon) -> Iterator[Problem]:
    for lost in lost_changes(daemon):
        yield Problem(
            f"the next restart of {daemon.unit} loses {lost}",
            f"make the edit in what {daemon.distribution.title} makes it of, such as {daemon.edited_path}",
            "what is in force now, or seems to be, is not after a reboot",
        )
    if not daemon.delegate:
        yield Problem(
            f"{daemon.unit} has no Delegate=yes",
            f"systemctl edit {daemon.unit}: [Service] Delegate=yes",
            "systemd may move or limit the cgroups that containerd makes below its own "
            "(systemd.io/CGROUP_DELEGATION)",
        )
    if daemon.needs_reload:
        yield Problem(
            f"{daemon.unit} was changed on disk and not loaded",
            "systemctl daemon-reload, and see what changed: systemctl cat",
            "the restart of an install would bring it into force",
        )
    choice = daemon.choice
    if choice.chosen is not None and choice.passed_over:
        others = ", ".join(each.said for each in choice.passed_over)
        yield Problem(
            f"more than one containerd runs: nodeprov uses {choice.chosen.said} ({choice.why}), and not {others}",
            f'if that is wrong: [containerd] unit = "{choice.passed_over[0].unit or "..."}"',
            WHY_IT_MATTERS,
        )


def _cgroups(facts: Facts, daemon: Daemon, family: Family, seen: Observations) -> Iterator[Problem]:
    """See that kubelet, containerd and the runtime drive cgroups the same way."""
    try:
        by_systemd = cgroups.by_systemd(facts.machine, daemon)
    except Refused:
        return  # an install reports it
    here, told = cgroups.named_driver(systemd=by_systemd), cgroups.told_drivers(facts.machine)
    if told and told != {here}:
        yield Problem(
            f"kubelet is configured to manage cgroups by {' and '.join(sorted(told))}, containerd's "
            f"{cgroups.whose(daemon)} by {here}",
            f"set SystemdCgroup = {'true' if 'systemd' in told else 'false'} for "
            f"{daemon.effective.cgroup_handler or 'runc'} in {daemon.edited_path}, or cgroupDriver in kubelet's "
            "configuration; drain the node first",
            f"{cgroups.WHY}; from 1.34 on kubelet asks containerd 2 and ignores its own setting",
        )
    if seen.config is not None:
        yield from family.inspection.config_advice(seen.config, facts.machine, daemon, facts.node)


def examine(
    node: Node, readers: Mapping[Place, Reader], family: Family, clock: Callable[[], float]
) -> tuple[Finding, ...]:
    """Make every check that an install makes, and look for what is worth a recommendation; change nothing.

    `clock` returns the seconds since the epoch here. Raises NodeprovError when the node cannot be read.
    """
    reader, settings = readers[Place.NODE], node.settings
    layout = Layout.of(settings, family.program)
    facts = gather(reader, settings, layout)
    layout = layout.as_wanted(settings, facts.footprint.links)
    asked_at = clock()
    pid = facts.daemon.identity.pid if facts.daemon else None
    seen = reader.ask([ObservationsQuery(f"{layout.current}/{family.inspection.config}", pid)])[0]
    skew_seconds = seen.skew_seconds(asked_at, clock())
    of_cluster, worth_knowing = _of_cluster(readers.get(Place.CLUSTER), node, facts)
    against = [
        *check_facts(facts, settings, layout, family),
        *images.check_programs(facts.machine.architecture, settings),
        *_of_next_restart(reader, facts, family.runtime(layout), settings),
        *of_cluster,
    ]
    return (
        # What keeps one check from being made may keep another: it is reported once.
        *_findings(
            node.name, Severity.AGAINST, list({each.message: each for each in reversed(against)}.values())[::-1]
        ),
        *_findings(
            node.name, Severity.ADVICE, (*advice(facts, settings, family, seen, skew_seconds), *worth_knowing)
        ),
    )


def _of_next_restart(reader: Reader, facts: Facts, runtime: Runtime, settings: Settings) -> Sequence[Problem]:
    """Find what blocks containerd's next restart in the files that it would read then."""
    daemon = facts.daemon
    if daemon is None or not facts.machine.is_root:
        return ()
    try:
        imports = read_imports(reader, daemon)
        found = import_problems(daemon, runtime, imports)
        pending = pending_changes(daemon, facts.footprint.record, runtime, imports.files)
        # One reason is enough: containerd would only repeat it.
        return found or tuple(pending_problems(reader, None, daemon, settings, pending, imports.files))
    except NodeprovError as error:
        return (Problem(f"{daemon.config_path}: {error.message}", error.hint),)


def _of_cluster(reader: Reader | None, node: Node, facts: Facts) -> tuple[Sequence[Problem], Sequence[Problem]]:
    """Find what in the cluster would block an install, and what is worth knowing of it."""
    if reader is None:
        return (), ()
    try:
        cluster = cluster_read.read(reader, node.settings, node.name)
    except NodeprovError as error:
        why = "the node would not be labelled"
        return (Problem(f"the cluster cannot be read: {error.message}", error.hint, why),), ()
    against = kube.check_cluster(cluster, node, facts.machine)
    if against or not node.settings.proof.pod:
        return against, ()
    try:
        image = images.proof_image(facts.machine.architecture, node.settings)
    except NodeprovError:
        return (), ()  # reported by check_programs, or for the architecture
    query = AdmissionQuery(node.settings, node.name, image, has_class=cluster.runtime_class is not None)
    try:
        found: Admission = reader.ask([query])[0]
    except NodeprovError as error:
        found = Admission(unknown=error.message)
    return tuple(found.problems(node.settings, image)), tuple(found.warnings(image))


def _findings(node: str, severity: Severity, problems: Sequence[Problem]) -> tuple[Finding, ...]:
    return tuple(Finding(node, severity, each.message, each.why, each.hint) for each in problems)
