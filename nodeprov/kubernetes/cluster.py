"""The cluster as kubectl on some host sees it, and the reasons in it not to begin."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodeprov.containerd.distributions.profiles import PROFILES, kubelet_units, kubelets
from nodeprov.errors import NodeprovError, Problem, json_object
from nodeprov.hosts.base import Host, Output, Script, check, plain
from nodeprov.inventory import ClusterSettings, Node
from nodeprov.node.state import ClusterState, Machine
from nodeprov.templates import render

NOT_FOUND = 127
CONDITIONS = {"Ready": "True", "DiskPressure": "False", "PIDPressure": "False"}
"""The conditions of a node by which kubelet takes pods that have requests, and what each must be."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """How kubectl is called: a program, and the options that choose a cluster.

    With `program` or `kubeconfigs` left to be found, a call looks for them where it runs, in the same round trip.
    """

    program: tuple[str, ...] = ("kubectl",)
    options: tuple[str, ...] = ()
    find_program: bool = False
    kubeconfigs: tuple[str, ...] = ()

    def line(self, *arguments: str) -> str:
        """Write a call as a shell command."""
        words = " ".join(_word(word) for word in (*self.options, *arguments))
        if not self.find_program and not self.kubeconfigs:
            return f"{shlex.join(self.program)} {words}"
        program = () if self.find_program else self.program
        *others, last = (each.kubectl.split()[0] for each in PROFILES[1:] if "/" not in each.kubectl)
        script = render(
            "cluster/kubectl-found.sh.j2",
            program=program,
            kubeconfigs=self.kubeconfigs,
            folders=tuple(dict.fromkeys(each.kubectl_folder for each in PROFILES)),
            calls=[each.kubectl.split() for each in PROFILES],
            missing=f"kubectl is not found, nor {', '.join(others)} or {last}",
        )
        return f"sh -c {shlex.quote(script)} kubectl {words}"

    def typed(self, *arguments: str) -> str:
        """Write a call as a person would type it."""
        return " ".join([*self.program, *(_word(word) for word in (*self.options, *arguments))])

    def call(self, *arguments: str, when_well: bytes = b"") -> Script[Output]:
        """Make a script of a call, named by its verb."""
        verb = arguments[2] if arguments[0] == "-n" else arguments[0]
        return plain(f"kubectl {verb}", self.line(*arguments), when_well=when_well)

    def run(self, host: Host, *arguments: str, doing: str, stdin: bytes = b"", when_well: bytes = b"") -> str:
        """Call it and return what it printed; raise CommandFailed if it fails."""
        output = host.run(self.call(*arguments, when_well=when_well), stdin=stdin)
        return self.insist(output, doing, where=host.name).text

    def insist(self, output: Output, doing: str, *, where: str) -> Output:
        """Return what a call printed if it ended well; raise CommandFailed, with what to do, if not."""
        return check(output, doing, where=where, hint=forbidden_hint(output.said) or self.typed("get", "nodes"))

    def get_json(self, host: Host, kind: str, name: str) -> dict[str, Any]:
        """Get an object of the cluster, which must be there."""
        arguments = ("get", kind, name, "-o", "json")
        text = self.run(host, *arguments, doing=f"cannot get {kind} {name}", when_well=b'{"spec": {}}')
        return understood(text, host, doing=f"{kind} {name}")


def is_forbidden(said: str) -> bool:
    """Tell whether the cluster knows who asks, and forbids it."""
    return "is forbidden: User" in said


def forbidden_hint(said: str) -> str:
    """Return what to do about what the cluster forbids; "" if it forbids nothing."""
    return "see what nodeprov needs, and give it to that user: nodeprov rbac" if is_forbidden(said) else ""


def understood(text: str, host: Host, *, doing: str) -> dict[str, Any]:
    """Read an object that kubectl has printed; raise NodeprovError, saying of what, if it is none."""
    try:
        return json_object(text)
    except ValueError as error:
        shown = " ".join(text[:80].split())
        hint = "is that kubectl's own output? run nodeprov with --verbose and try its commands"
        raise NodeprovError(f"{doing} is not understood, {error}: {shown!r}", hint, where=host.name) from None


def _word(word: str) -> str:
    """Quote a word; ~/ is the home of whoever runs the command."""
    if word.startswith("~/"):
        return f'"$HOME"/{shlex.quote(word[2:])}'
    return shlex.quote(word)


def kubectl(settings: ClusterSettings) -> Kubectl:
    """Return how kubectl is called with these settings.

    On this machine kubectl's own rules hold; on another host what is not set is looked for.
    """
    kubeconfig = ("--kubeconfig", settings.kubeconfig) if settings.kubeconfig else ()
    context = ("--context", settings.context) if settings.context else ()
    program = tuple(settings.kubectl.split()) if settings.kubectl else ("kubectl",)
    elsewhere = settings.host is not None
    search = elsewhere and not settings.kubeconfig
    return Kubectl(
        program,
        (*kubeconfig, *context),
        find_program=elsewhere and not settings.kubectl,
        kubeconfigs=tuple(each.kubeconfig for each in PROFILES) if search else (),
    )


@dataclass(frozen=True, slots=True)
class Get:
    """Ask for one object of the cluster; None when it does not exist."""

    kubectl: Kubectl
    kind: str
    name: str

    @property
    def script(self) -> str:
        """Print the object as JSON, or nothing."""
        return self.kubectl.line("get", self.kind, self.name, "-o", "json", "--ignore-not-found")

    def parse(self, output: Output) -> dict[str, Any] | None:
        """Understand what kubectl printed."""
        insist_on_answer(self.kubectl, output)
        value: dict[str, Any] | None = json.loads(output.text.strip() or "null")
        return value


def insist_on_answer(kubectl: Kubectl, output: Output) -> None:
    """Raise NodeprovError, with what to do, where a call that reads the cluster has failed."""
    if output.returncode != 0:
        raise NodeprovError(f"kubectl cannot read the cluster: {output.said}", _remedy(kubectl, output))


def _remedy(kubectl: Kubectl, output: Output) -> str:
    if output.returncode == NOT_FOUND:
        return (
            "install kubectl here, or set [cluster] host to a control-plane node, or [cluster] kubectl to the "
            "command; [cluster] enabled = false does without a cluster"
        )
    if hint := forbidden_hint(output.said):
        return hint
    if re.search("context .*does not exist|context was not found|cannot locate context", output.said):
        return f"see which there are: {kubectl.typed('config', 'get-contexts')}; then set [cluster] context"
    return f"try: {kubectl.typed('get', 'nodes')}; or set [cluster] host, kubeconfig and context"


def check_identity(cluster: ClusterState, node: Node, machine: Machine) -> tuple[Problem, ...]:
    """Find out whether the cluster's node is the machine that was reached."""
    kube = kubectl(node.settings.cluster)
    if cluster.node is None:
        return (Problem(f"the cluster {cluster.server} has no node {node.name}", kube.typed("get", "nodes")),)
    machine_id = cluster.node.get("status", {}).get("nodeInfo", {}).get("machineID", "")
    if not (machine_id and machine.machine_id) or machine_id == machine.machine_id:
        return ()
    another_machine = Problem(
        f"the node {node.name} of {cluster.server} is another machine (machine-id {machine_id}) than "
        f"the one reached by SSH ({machine.machine_id})",
        "look at the node's address and at [cluster] context in the inventory",
    )
    return (another_machine,)


def check_cluster(cluster: ClusterState, node: Node, machine: Machine) -> tuple[Problem, ...]:
    """Find the reasons in the cluster not to begin an installation."""
    kubelet = tuple(_kubelet_works(cluster, node, machine)) if machine.is_root else ()
    found = (*check_identity(cluster, node, machine), *kubelet)
    settings, existing = node.settings, cluster.runtime_class
    if existing is None or existing.get("handler") == settings.runtime.handler:
        return found
    name, kube = settings.runtime_class.name, kubectl(settings.cluster)
    other_handler = Problem(
        f"RuntimeClass {name} exists with the handler {existing.get('handler')!r}, which cannot be "
        f"changed in place; pods that name it would land elsewhere",
        f"set [runtime_class] name to another one, or: {kube.typed('delete', 'runtimeclass', name)}",
    )
    return (*found, other_handler)


def _kubelet_works(cluster: ClusterState, node: Node, machine: Machine) -> Iterator[Problem]:
    """See that the node's kubelet runs, and takes pods."""
    if not machine.kubelets:
        yield Problem(
            f"kubelet does not run on this node: no process of root's is called {' or '.join(kubelets())}",
            f"systemctl status {kubelet_units()[0]}, or of the service that has it in it: k3s, k0sworker, ...",
            "kubelet reports the runtime to the cluster, and runs the pod that proves it",
        )
    elif node.settings.proof.pod:
        yield from _conditions_allow(cluster, node)


def _conditions_allow(cluster: ClusterState, node: Node) -> Iterator[Problem]:
    """See that the cluster has the node ready, and that kubelet refuses no pod (pkg/kubelet/eviction)."""
    kube = kubectl(node.settings.cluster)
    for kind, good in CONDITIONS.items():
        found = cluster.condition(kind)
        if found is None or found.get("status") == good:
            continue
        said = ": ".join(str(found[key]) for key in ("reason", "message") if found.get(key))
        what = "not ready" if kind == "Ready" else f"under {kind}"
        yield Problem(
            f"the node is {what} for the cluster: {said or found.get('status')}",
            f"{kube.typed('describe', 'node', node.name)}; journalctl -u {kubelet_units()[0]} on the node",
            "kubelet would run no pod that proves the runtime, and the install would be undone",
        )
