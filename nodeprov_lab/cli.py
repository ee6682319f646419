"""`nodeprov lab …`: arguments in, exit code out."""

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import typer  # noqa: TID251  a part of the command line

from nodeprov.cli.options import examples
from nodeprov.errors import NodeprovError, UsageError
from nodeprov.hosts.local import run_attached
from nodeprov.local_files import cache_folder
from nodeprov_lab.base import Event, Lab

lab = typer.Typer(
    help="Machines to try nodeprov on.",
    epilog=examples(
        "nodeprov lab up", 'nodeprov install worker1 -i "$(nodeprov lab inventory)"', codes="0: done, 1: failed"
    ),
    no_args_is_help=True,
    add_completion=False,
)


class Provider(StrEnum):
    """Who makes the machines."""

    NSPAWN = "nspawn"
    VAGRANT = "vagrant"


ProviderOption = Annotated[Provider, typer.Option(help="Who makes the machines.")]


class Progress:
    """Shows events: as lines, and on a terminal also what goes on at the moment."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._begun: dict[str, float] = {}
        self._start = time.monotonic()
        self._status = self._console.status("")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._status.stop()
        if kind is KeyboardInterrupt:
            raise NodeprovError(
                "interrupted", "the same command goes on from here; `nodeprov lab down` removes what is there"
            ) from None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        now = time.monotonic()
        if event.state == "begun":
            self._begun[event.what] = now
            said = f"{event.what} …"
        else:
            took = now - self._begun.pop(event.what, now)
            said = f"{event.what}: {'done' if event.state == 'ended' else 'failed'} ({took:.1f} s)"
        self._status.update(", ".join(self._begun))
        if event.state != "begun" or not self._console.is_terminal:
            self.say(said)

    def say(self, what: str) -> None:
        """Show a line."""
        self._console.print(f"{time.monotonic() - self._start:6.1f}s  {what}", markup=False, soft_wrap=True)


def make_lab(
    provider: Provider, *, build_box: bool = False, workers: int | None = None, bare: bool = False
) -> Lab:
    """Read the environment and make the provider's lab; without `workers`, the one that is there."""
    # 50 ms that no other command need wait for.
    from nodeprov_lab.nspawn.lab import NspawnLab
    from nodeprov_lab.nspawn.shape import Shape
    from nodeprov_lab.parts import chosen_mirror
    from nodeprov_lab.vagrant.lab import VagrantLab

    cache, mirror = cache_folder() / "lab", chosen_mirror()
    if bare and workers is None:
        raise UsageError("--bare is about more workers than two", "nodeprov lab up --workers 12 --bare")
    if provider is Provider.VAGRANT:
        if workers is not None:
            raise UsageError("the virtual machines are three", "nodeprov lab up --workers N makes containers")
        return VagrantLab(cache, debian_mirror=mirror, build_box=build_box)
    if build_box:
        raise UsageError("a box is for virtual machines", "nodeprov lab up --provider vagrant --build-box")
    return NspawnLab(cache, debian_mirror=mirror, shape=None if workers is None else Shape(workers, bare))


@lab.command(
    epilog=examples(
        "nodeprov lab up",
        "nodeprov lab up --workers 12 --bare",
        codes="0: the cluster is up, 1: it could not be made",
    )
)
def up(
    provider: ProviderOption = Provider.NSPAWN,
    build_box: Annotated[
        bool, typer.Option("--build-box", help="With vagrant: build a box, and fetch none.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", help="So many workers besides the master, instead of 2."),
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="With --workers: containerd alone, without kubelet, on all but two.")
    ] = False,
) -> None:
    """Make a cluster of three machines, or of more, or find it made."""
    with Progress() as progress:
        make_lab(provider, build_box=build_box, workers=workers, bare=bare).up(progress)
        progress.say(f"the lab is up: nodeprov lab kubectl{_chosen(provider)} -- get nodes")
        progress.say(f'next: nodeprov install worker1 -i "$(nodeprov lab inventory{_chosen(provider)})"')


@lab.command(
    epilog=examples("nodeprov lab inventory --provider vagrant", codes="0: written, 1: the lab is not up")
)
def inventory(
    provider: ProviderOption = Provider.NSPAWN,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="That of all workers, also those without a kubelet, and without a cluster."),
    ] = False,
) -> None:
    """Write the lab's inventory and print its path; needed after `vagrant up` by hand."""
    from nodeprov_lab.nspawn.lab import STATE

    if bare and not STATE.bare_inventory.exists():
        raise NodeprovError("no lab of containers is up", "nodeprov lab up --workers 12 --bare")
    with Progress() as progress:
        path = STATE.bare_inventory if bare else make_lab(provider).write_inventory(progress)
    typer.echo(path)


@lab.command(hidden=True)
def join(machine: Annotated[str, typer.Argument(metavar="NODE")]) -> None:
    """Make a machine that Vagrant has brought up a node of the cluster: the Vagrantfile's trigger."""
    from nodeprov_lab.parts import chosen_mirror
    from nodeprov_lab.vagrant.lab import VagrantLab

    with Progress() as progress:
        VagrantLab(cache_folder() / "lab", debian_mirror=chosen_mirror()).join(machine, progress)


@lab.command(epilog=examples("nodeprov lab down", codes="0: nothing is left, 1: something could not be removed"))
def down(provider: ProviderOption = Provider.NSPAWN) -> None:
    """Leave nothing of the lab, in whatever state it is."""
    with Progress() as progress:
        make_lab(provider).down(progress)
        progress.say("nothing is left of the lab")


@lab.command(epilog=examples("nodeprov lab status", codes="0: every machine is ready, 1: not every one is"))
def status(provider: ProviderOption = Provider.NSPAWN) -> None:
    """Say how each machine does; exit 1 unless all are Ready."""
    found = make_lab(provider).status()
    for machine in found:
        state = "ready" if machine.ready else "running" if machine.running else "down"
        typer.echo(f"{machine.machine.name:<10} {machine.machine.address:<14} {state}")
    raise typer.Exit(0 if all(machine.ready for machine in found) else 1)


@lab.command(
    name="import",
    epilog=examples("docker save nginx > nginx.tar", "nodeprov lab import nginx.tar", codes="0: done, 1: not"),
)
def import_archive(
    archive: Annotated[Path, typer.Argument(help="What `docker save` or `skopeo copy` has written.")],
    provider: ProviderOption = Provider.NSPAWN,
) -> None:
    """Bring images to every machine: a lab has no registry."""
    from nodeprov_lab.images import import_image

    with Progress() as progress:
        import_image(make_lab(provider), archive, progress)


@lab.command(
    epilog=examples("nodeprov lab ssh worker1", "nodeprov lab ssh worker1 -- uptime", codes="that of the command")
)
def ssh(
    machine: Annotated[str, typer.Argument(metavar="NODE")],
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]")] = None,
    provider: ProviderOption = Provider.NSPAWN,
) -> None:
    """Log in to a machine as root, or run a command there with exactly these arguments."""
    argv = make_lab(provider).ssh_argv(machine, command or [], terminal=_has_terminal())
    raise typer.Exit(run_attached(argv))


@lab.command(epilog=examples("nodeprov lab kubectl -- get nodes -o wide", codes="that of kubectl"))
def kubectl(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="-- ARGS...")] = None,
    provider: ProviderOption = Provider.NSPAWN,
) -> None:
    """Run kubectl as the cluster's administrator, with these arguments."""
    argv = make_lab(provider).kubectl_argv(arguments or [], terminal=_has_terminal())
    raise typer.Exit(run_attached(argv))


def _chosen(provider: Provider) -> str:
    return "" if provider is Provider.NSPAWN else f" --provider {provider.value}"


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
