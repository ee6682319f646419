"""How many nodes are changed at once, and when."""

from typing import Annotated

import typer  # noqa: TID251  a part of the command line

ROLLOUT = "Rollout"
"""The panel of the help that says how many nodes are changed at once, and when."""
Canary = Annotated[
    int | None,
    typer.Option(
        "--canary",
        metavar="N",
        min=0,
        rich_help_panel=ROLLOUT,
        help="Change N nodes first; the others follow if these are done and still serve.",
    ),
]
Soak = Annotated[
    int | None,
    typer.Option(
        "--soak",
        metavar="SECONDS",
        min=0,
        rich_help_panel=ROLLOUT,
        help="Wait after the canary nodes, then test them once more.",
    ),
]
MaxUnavailable = Annotated[
    str | None,
    typer.Option(
        "--max-unavailable",
        metavar="N|P%",
        rich_help_panel=ROLLOUT,
        help="Let N nodes, or P% of those named, be out of service at once; those that are already count. "
        "Default: one after the other.",
    ),
]
MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        metavar="N",
        min=1,
        rich_help_panel=ROLLOUT,
        help="Begin no other node after N have failed. Default: 1.",
    ),
]
AllowTwoZones = Annotated[
    bool,
    typer.Option(
        "--allow-two-zones", rich_help_panel=ROLLOUT, help="Let nodes of different zones restart at the same time."
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="FROM-TO",
        rich_help_panel=ROLLOUT,
        help="Begin only nodes that will be done within 02:00-04:00, say; the time zone is rollout.time_zone.",
    ),
]
Stage = Annotated[
    bool,
    typer.Option(
        "--stage",
        rich_help_panel=ROLLOUT,
        help="Only upload the release, and run a sandbox with it: what needs no restart, before the window.",
    ),
]
Drain = Annotated[
    bool,
    typer.Option(
        "--drain",
        rich_help_panel=ROLLOUT,
        help="Before containerd restarts, cordon the node and evict its pods; without a restart none is evicted.",
    ),
]
