"""`nodeprov init`: a first inventory, by asking or from the cluster."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli import options
from nodeprov.cli.inventory import is_ansible
from nodeprov.cli.output import bar, print_error, say, show_json
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import draft, syntax
from nodeprov.inventory.draft import DraftMachine
from nodeprov.inventory.kinds import Text
from nodeprov.inventory.settings import ClusterSettings, ReleaseSettings
from nodeprov.local_files import cache_folder, refuse_existing, write_new
from nodeprov.releases.source import LATEST
from nodeprov.runtimes import FAMILY

DEFAULT_FILE = Path("nodeprov.toml")


def _text(rule: Text, doc: str, metavar: str | None = None) -> Any:
    """Declare an option whose value must follow a rule."""

    def check(param: typer.CallbackParam, value: str | None) -> str | None:
        if value is not None and not rule.accepts(value):
            raise UsageError(f"{value!r} is not {rule.expected}", where=param.opts[0])
        return value

    return typer.Option(callback=check, metavar=metavar, help=doc)


class Asking:
    """Asks a person, where one is there; else every answer is the default."""

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on

    def __call__(self, question: str, rule: Text) -> str | None:
        """Ask until the answer fits; None for the default."""
        if not self.is_on:
            return None

        def check(answer: str) -> str:
            if answer and not rule.accepts(answer):
                raise typer.BadParameter(f"that is not {rule.expected}")
            return answer

        said = typer.prompt(question, default="", show_default=False, value_proc=check, err=True)
        return str(said) or None


File = Annotated[Path, typer.Argument(help="File to write; it must not exist.")]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", metavar="NAME=ADDRESS", help="A node; without =ADDRESS its name is resolved."),
]
FromCluster = Annotated[bool, typer.Option("--from-cluster", help="Take the nodes that kubectl lists.")]
KubectlHost = Annotated[
    str | None, _text(syntax.ADDRESS, "Machine that runs kubectl, reached by SSH. Default: this one.", "ADDRESS")
]
Kubeconfig = Annotated[str | None, _text(syntax.LOCAL_PATH, "kubeconfig, on the machine that runs kubectl.")]
Context = Annotated[str | None, _text(syntax.WORD, "Context of that kubeconfig.")]
User = Annotated[str | None, _text(syntax.WORD, "User to log in as. Default: the one of ~/.ssh/config.")]
Port = Annotated[int | None, typer.Option(help="Port of sshd.", min=1, max=65535)]
IdentityFile = Annotated[str | None, _text(syntax.LOCAL_PATH, "Private key.", "FILE")]
KnownHosts = Annotated[str | None, _text(syntax.LOCAL_PATH, "File of trusted host keys.", "FILE")]
Version = Annotated[
    str | None, _text(syntax.RELEASE, 'Release to install, such as 20260905.0; "latest" finds it.', "RELEASE")
]
BaseUrl = Annotated[str | None, _text(syntax.URL, "Where releases are published.", "URL")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: use the defaults.")]


@options.command()
def init(
    file: File = DEFAULT_FILE,
    node: Nodes = None,
    from_cluster: FromCluster = False,
    kubectl_host: KubectlHost = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    user: User = None,
    port: Port = None,
    identity_file: IdentityFile = None,
    known_hosts: KnownHosts = None,
    version: Version = None,
    base_url: BaseUrl = None,
    yes: Yes = False,
    as_json: options.Json = False,
) -> None:
    """Write a first inventory by asking questions, or from the cluster's nodes with --from-cluster."""
    if is_ansible(file):
        said = f"by its name, {file} would be read as an inventory of Ansible's"
        raise UsageError(said, "name it nodeprov.toml")
    refuse_existing(file)
    ask = Asking(is_on=sys.stdin.isatty() and not yes)
    nodes = ask_nodes(node or (), ask, from_cluster=from_cluster)
    user = user or ask("User to log in as (Enter: the one of ~/.ssh/config)", syntax.WORD)
    kubectl_host = kubectl_host or ask("Machine that runs kubectl (Enter: this one)", syntax.ADDRESS)
    access = draft.Access(user, port, identity_file, known_hosts, kubectl_host, kubeconfig, context)
    found = _from_cluster(access) if from_cluster else ()
    machines = draft.machines_of(found, _aliases()) if from_cluster else draft.Machines(nodes)
    if kubectl_host:
        machines, name = draft.with_kubectl_host(machines, kubectl_host, found)
        access = replace(access, kubectl_host=name)
    architecture = next((draft.ARCHITECTURES[each.architecture] for each in found if each.can_run), "x86_64")
    newest = partial(_newest, base_url or ReleaseSettings(LATEST).base_url, architecture)
    release = _release(version, newest, ask)
    text = draft.draft_text(machines, access, version=release, base_url=base_url, path=str(file))
    write_new(file, text.encode())
    _report(file, machines, release, as_json=as_json)


def _report(file: Path, machines: draft.Machines, release: str, *, as_json: bool) -> None:
    if as_json:
        names = [each.name for each in machines.nodes]
        left_out = [str(each) for each in machines.left_out]
        show_json({"inventory": str(file), "nodes": names, "left_out": left_out, "release": release})
        return
    for each in machines.left_out:
        say(f"left out: {each}")
    count = f"{len(machines.nodes)} node{'' if len(machines.nodes) == 1 else 's'}"
    print(f"wrote {file}: {count} ({', '.join(each.name for each in machines.nodes)}), {FAMILY.name} {release}")
    print(f"next: nodeprov plan '*' --inventory {shlex.quote(str(file))}")


def _from_cluster(access: draft.Access) -> tuple[draft.FoundNode, ...]:
    """Ask kubectl for the nodes, here or where it is."""
    from nodeprov.hosts.provider import kubectl_host
    from nodeprov.hosts.ssh.host import SshHost
    from nodeprov.kubernetes.kubectl import kubectl

    where = draft.KUBECTL_HOST if access.kubectl_host else None
    settings = ClusterSettings(host=where, kubeconfig=access.kubeconfig, context=access.context)
    host = SshHost(access.kubectl_host, access.ssh(access.kubectl_host)) if access.kubectl_host else kubectl_host()
    try:
        with contextlib.closing(host):
            said = kubectl(settings).run(host, "get", "nodes", "-o", "json", doing="kubectl get nodes")
    except NodeprovError as error:
        raise without_inventory(error) from None
    return draft.found_nodes(said)


def without_inventory(error: NodeprovError) -> NodeprovError:
    """Name options in the hint of an error in place of settings: there is no inventory yet."""
    from nodeprov.hosts.ssh.keys import SET_IN_INVENTORY

    error.hint = error.hint.replace(SET_IN_INVENTORY, "add --user NAME --identity-file FILE")
    return error


def _aliases() -> frozenset[str]:
    try:
        return draft.ssh_aliases((Path.home() / ".ssh" / "config").read_text(errors="replace"))
    except OSError:
        return frozenset()


def _newest(base_url: str, architecture: str) -> str:
    """Download what an origin has as its latest, which the installation needs anyway; return its version."""
    from nodeprov.releases.obtain import resolve
    from nodeprov.releases.source import ReleaseSource

    say(f"asking {base_url} for the newest release; it is downloaded, and kept for the installation")
    with bar() as on_progress:
        source = ReleaseSource(FAMILY.software, base_url, cache_folder(), on_progress)
        return resolve(source, LATEST, architecture)


def _release(version: str | None, newest: Callable[[], str], ask: Asking) -> str:
    """Return the release, the newest if none is given; if that cannot be found, ask the person again."""
    if version is None:
        version = ask(f"Release of {FAMILY.name}, such as 20260905.0 (Enter: the newest)", syntax.RELEASE)
    while version is None or version == LATEST:
        try:
            return newest()
        except NodeprovError as error:
            if not ask.is_on:
                error.hint = f"{error.hint}; or name the release: --version 20260905.0".removeprefix("; ")
                raise
            print_error(error)
        version = ask(f"The newest release cannot be found. Release of {FAMILY.name}", syntax.RELEASE)
    return version


def ask_nodes(nodes: Sequence[str], ask: Asking, *, from_cluster: bool) -> tuple[DraftMachine, ...]:
    """Understand the nodes that were named, or ask for them."""
    if from_cluster and nodes:
        raise UsageError("--from-cluster and --node: the nodes come from one of the two", "leave one of them out")
    entries = [_entry(each) for each in nodes]
    names = [each.name for each in entries]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--node names {name} twice", "name it once")
    if not entries and not from_cluster:
        entries = _asked(ask)
    if not entries and not from_cluster:
        hint = "name them: --node worker1=10.0.0.11, for each; or take the cluster's: --from-cluster"
        raise UsageError("no node is named", hint)
    return tuple(entries)


def _asked(ask: Asking) -> list[DraftMachine]:
    entries: dict[str, DraftMachine] = {}
    while name := ask(
        f"{'Another node' if entries else 'A node'}, as in Kubernetes (Enter: done)", syntax.DNS_SUBDOMAIN
    ):
        entries[name] = DraftMachine(name, ask(f"Address of {name} (Enter: look its name up)", syntax.ADDRESS))
    return list(entries.values())


def _entry(node: str) -> DraftMachine:
    name, sign, address = node.partition("=")
    for value, rule in ((name, syntax.DNS_SUBDOMAIN), (address, syntax.ADDRESS)):
        if (value or sign) and not rule.accepts(value):
            raise UsageError(
                f"{value!r} is not {rule.expected}", "--node worker1=10.0.0.11", where=f"--node {node}"
            )
    if not name:
        raise UsageError("has no name", "--node worker1=10.0.0.11", where="--node")
    return DraftMachine(name, address or None)
