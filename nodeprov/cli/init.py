"""`nodeprov init`: a first inventory, by asking or from the cluster."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli.asking import Asking, ask_nodes
from nodeprov.cli.output import bar, print_error, say
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.inventory import syntax
from nodeprov.inventory.draft import (
    ARCHITECTURES,
    KUBECTL_HOST,
    Access,
    FoundNode,
    Machines,
    draft,
    found_nodes,
    machines_of,
    ssh_aliases,
    with_kubectl_host,
)
from nodeprov.inventory.kinds import Text
from nodeprov.inventory.settings import ClusterSettings, ReleaseSettings
from nodeprov.local_files import cache_folder, refuse_existing, write_new
from nodeprov.releases.software import LATEST
from nodeprov.runtimes import FAMILY

app = typer.Typer(add_completion=False)

DEFAULT_FILE = Path("nodeprov.toml")


def _is(rule: Text) -> Callable[[typer.CallbackParam, str | None], str | None]:
    """Refuse a value that breaks a rule."""

    def check(param: typer.CallbackParam, value: str | None) -> str | None:
        if value is not None and not rule.accepts(value):
            raise UsageError(f"{value!r} is not {rule.expected}", where=param.opts[0])
        return value

    return check


File = Annotated[Path, typer.Argument(help="File to write; it must not exist.")]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", metavar="NAME=ADDRESS", help="A node; without =ADDRESS its name is resolved."),
]
FromCluster = Annotated[bool, typer.Option("--from-cluster", help="Take the nodes that kubectl lists.")]
KubectlHost = Annotated[
    str | None,
    typer.Option(
        callback=_is(syntax.ADDRESS),
        metavar="ADDRESS",
        help="Machine that runs kubectl, reached by SSH. Default: this one.",
    ),
]
Kubeconfig = Annotated[
    str | None, typer.Option(callback=_is(syntax.LOCAL_PATH), help="kubeconfig, on the machine that runs kubectl.")
]
Context = Annotated[str | None, typer.Option(callback=_is(syntax.WORD), help="Context of that kubeconfig.")]
User = Annotated[
    str | None, typer.Option(callback=_is(syntax.WORD), help="User to log in as. Default: as ~/.ssh/config says.")
]
Port = Annotated[int | None, typer.Option(help="Port of sshd.", min=1, max=65535)]
IdentityFile = Annotated[
    str | None, typer.Option(callback=_is(syntax.LOCAL_PATH), metavar="FILE", help="Private key.")
]
KnownHosts = Annotated[
    str | None, typer.Option(callback=_is(syntax.LOCAL_PATH), metavar="FILE", help="File of trusted host keys.")
]
Version = Annotated[
    str | None,
    typer.Option(
        callback=_is(syntax.RELEASE),
        metavar="RELEASE",
        help='Release to install, such as 20260905.0; "latest" finds it.',
    ),
]
BaseUrl = Annotated[
    str | None, typer.Option(callback=_is(syntax.URL), metavar="URL", help="Where releases are published.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: use the defaults.")]


@app.command()
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
) -> None:
    """Write a first inventory by asking questions, or from the cluster's nodes with --from-cluster."""
    refuse_existing(file)
    ask = Asking(is_on=sys.stdin.isatty() and not yes)
    nodes = ask_nodes(node or (), ask, from_cluster=from_cluster)
    user = user or ask("User to log in as (Enter: as ~/.ssh/config says)", syntax.WORD)
    kubectl_host = kubectl_host or ask("Machine that runs kubectl (Enter: this one)", syntax.ADDRESS)
    access = Access(user, port, identity_file, known_hosts, kubectl_host, kubeconfig, context)
    found = _from_cluster(access) if from_cluster else ()
    machines = machines_of(found, _aliases()) if from_cluster else Machines(nodes)
    if kubectl_host:
        machines, name = with_kubectl_host(machines, kubectl_host, found)
        access = replace(access, kubectl_host=name)
    newest = _Newest(base_url or ReleaseSettings(LATEST).base_url, _architecture(found), cache_folder())
    release = _release(version, newest, ask)
    text = draft(machines, access, version=release, base_url=base_url, path=str(file))
    write_new(file, text.encode())
    _report(file, machines, release)


def _report(file: Path, machines: Machines, release: str) -> None:
    for each in machines.left_out:
        say(f"left out: {each}")
    count = f"{len(machines.nodes)} node{'' if len(machines.nodes) == 1 else 's'}"
    print(f"wrote {file}: {count} ({', '.join(each.name for each in machines.nodes)}), {FAMILY.name} {release}")
    print(f"next: nodeprov plan '*' --inventory {shlex.quote(str(file))}")


def _from_cluster(access: Access) -> tuple[FoundNode, ...]:
    """Ask kubectl for the nodes, here or where it is."""
    from nodeprov.hosts.provider import kubectl_host
    from nodeprov.hosts.ssh.host import SshHost
    from nodeprov.kubernetes.cluster import kubectl

    where = KUBECTL_HOST if access.kubectl_host else None
    settings = ClusterSettings(host=where, kubeconfig=access.kubeconfig, context=access.context)
    host = SshHost(access.kubectl_host, access.ssh(access.kubectl_host)) if access.kubectl_host else kubectl_host()
    with contextlib.closing(host):
        said = kubectl(settings).run(host, "get", "nodes", "-o", "json", doing="kubectl get nodes")
    return found_nodes(said)


def _aliases() -> frozenset[str]:
    try:
        return ssh_aliases((Path.home() / ".ssh" / "config").read_text(errors="replace"))
    except OSError:
        return frozenset()


def _architecture(found: Sequence[FoundNode]) -> str:
    return next((ARCHITECTURES[each.architecture] for each in found if each.can_run), "x86_64")


@dataclass(frozen=True, slots=True)
class _Newest:
    """Finds the newest release of an origin."""

    base_url: str
    architecture: str
    cache: Path

    def __call__(self) -> str:
        """Download what it has as its latest, which the installation needs anyway, and say which release it is."""
        from nodeprov.releases.obtain import resolve
        from nodeprov.releases.source import ReleaseSource

        say(f"asking {self.base_url} for the newest release; it is downloaded, and kept for the installation")
        with bar() as on_progress:
            return resolve(
                ReleaseSource(FAMILY.software, self.base_url, self.cache, on_progress), LATEST, self.architecture
            )


def _release(version: str | None, newest: _Newest, ask: Asking) -> str:
    """Return the release, the newest if it is not said; where that cannot be found a person is asked again."""
    if version is None:
        version = ask(f"Release of {FAMILY.name}, such as 20260905.0 (Enter: the newest)", syntax.RELEASE)
    while version is None or version == LATEST:
        try:
            return newest()
        except NodeprovError as error:
            if not ask.is_on:
                error.hint = f"{error.hint}; or say which release: --version 20260905.0".removeprefix("; ")
                raise
            print_error(error)
        version = ask(f"The newest release cannot be found. Release of {FAMILY.name}", syntax.RELEASE)
    return version
