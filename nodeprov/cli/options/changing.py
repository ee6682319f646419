"""What a run may do to a node, and from which release to which."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

from nodeprov.errors import UsageError

if TYPE_CHECKING:
    from nodeprov.kubernetes.draining import Allowed


def with_pending(sets: list[str] | None, activate: bool) -> list[str]:
    """Add to the values that are set for this run what --activate-pending sets."""
    return [*(sets or ()), *(["containerd.pending_changes=activate"] if activate else ())]


def with_drain(sets: Sequence[str] | None, drain: bool) -> list[str]:
    """Add to the values that are set for this run what --drain of an install sets."""
    return [*(sets or ()), *(["rollout.drain=true"] if drain else ())]


def with_forward(sets: Sequence[str] | None, forward: bool) -> list[str]:
    """Add to the values that are set for this run what --forward sets."""
    return [*(sets or ()), *(["rollout.after_rollback=forward"] if forward else ())]


def with_keep(sets: Sequence[str] | None, keep: int | None) -> list[str]:
    """Add to the values that are set for this run what --keep sets."""
    return [*(sets or ()), *([f"release.keep={keep}"] if keep is not None else ())]


def allowed(command: str, *, drain: bool, force: bool, delete_emptydir_data: bool) -> "Allowed":
    """Read what a drain of a command may do; raise UsageError where nothing is drained."""
    from nodeprov.kubernetes.draining import Allowed

    for option, is_set in (("--force", force), ("--delete-emptydir-data", delete_emptydir_data)):
        if is_set and not drain:
            raise UsageError(f"{option} is a part of a drain", f"nodeprov {command} NODE --drain {option}")
    return Allowed(force, delete_emptydir_data)


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Force = Annotated[
    bool, typer.Option("--force", help="With --drain: also evict pods that no controller makes again.")
]
DeleteEmptydirData = Annotated[
    bool,
    typer.Option(
        "--delete-emptydir-data",
        help="With --drain: also evict pods with emptyDir volumes. Their content is lost.",
    ),
]
ActivatePending = Annotated[
    bool,
    typer.Option(
        "--activate-pending",
        help="Let the restart bring into force also what cannot be tried before: another containerd on disk, "
        "an edited template.",
    ),
]
Forward = Annotated[
    bool,
    typer.Option("--forward", help="Install also on nodes that were rolled back from what the inventory wants."),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="RELEASE",
        help="Which release, or generation, of those on the node. Default: the one before.",
    ),
]
Keep = Annotated[
    int | None,
    typer.Option(
        "--keep", metavar="N", min=0, help="Keep N generations that were in force before. Default: release.keep."
    ),
]
