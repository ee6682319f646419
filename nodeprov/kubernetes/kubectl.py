"""kubectl: how it is called on some host, and what is to be done where it fails."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from nodeprov.errors import NodeprovError, json_object
from nodeprov.hosts.base import Host, Output, Script, check, plain
from nodeprov.inventory import ClusterSettings
from nodeprov.templates import as_it_is

NOT_FOUND = 127


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
        from nodeprov.containerd.distributions.profiles import PROFILES

        program = () if self.find_program else self.program
        *others, last = (each.kubectl.split()[0] for each in PROFILES[1:] if "/" not in each.kubectl)
        given = {
            "program": " ".join(program),
            "kubeconfigs": " ".join(self.kubeconfigs),
            "folders": ":".join(dict.fromkeys(each.kubectl_folder for each in PROFILES)),
            "calls": "\n".join(each.kubectl for each in PROFILES),
            "missing": f"kubectl is not found, nor {', '.join(others)} or {last}",
        }
        values = [f"{name}={shlex.quote(value)}\n" for name, value in given.items()]
        script = "".join([*values, as_it_is("cluster/kubectl-found.sh.j2")])
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
        hint = "is that kubectl's own output? run nodeprov with -vv and try its commands"
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
        kubeconfigs=_kubeconfigs() if search else (),
    )


def _kubeconfigs() -> tuple[str, ...]:
    from nodeprov.containerd.distributions.profiles import PROFILES  # with all of containerd's, for few

    return tuple(each.kubeconfig for each in PROFILES)


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
