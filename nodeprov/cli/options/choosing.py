"""Which nodes and handlers are meant, and which are left out."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer  # noqa: TID251  a part of the command line

if TYPE_CHECKING:
    from nodeprov.inventory.selection import Selection


def node_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of nodes and groups, also behind a !, from the inventory that would be used.

    Nothing is connected to.

    A file that has faults still has names to complete; without a file there are none.
    """
    try:
        import tomllib

        from nodeprov.cli.inventory import find, read

        named = context.params.get("inventory")
        found = find(Path(named) if named else None, os.environ, Path.cwd())
        tables = tomllib.loads(read(found))
        names = [*tables.get("nodes", {}), *(f"@{name}" for name in tables.get("groups", {}))]
    except Exception:  # whatever is wrong, a completion is no place to report it
        return []
    sign = "!" if incomplete.startswith("!") else ""
    return [f"{sign}{name}" for name in names if f"{sign}{name}".startswith(incomplete)]


def which(
    names: list[str] | None,
    is_all: bool,
    selector: str | None,
    handler: str | None = None,
    limit: list[str] | None = None,
) -> "Selection":
    """Read which nodes, and which of their handlers, are meant; raise UsageError for a selector that is none."""
    from nodeprov.inventory.selection import Selection

    limits = tuple(name for each in limit or () for name in each.split(","))
    found = Selection(tuple(names or ()), is_all, handler=handler or "", limit=limits)
    if selector is None:
        return found
    from nodeprov.inventory.selector import parse_selector  # few choose by labels

    return replace(found, selector=parse_selector(selector))


Nodes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Nodes of the inventory, globs such as 'worker*', or groups such as @gpu; or --all, or -l. "
        "With ! in front nodes are left out: '!worker2'.",
        autocompletion=node_names,
        metavar="NODE",
    ),
]
SomeNodes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Nodes of the inventory, globs such as 'worker*', or groups such as @gpu; all nodes if none is "
        "named. With ! in front nodes are left out: '!worker2'.",
        autocompletion=node_names,
        metavar="NODE",
    ),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NODE,...",
        help="Of the chosen nodes only these: names, globs, groups, or '!worker2' for all but it.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All nodes of the inventory.")]
Labelled = Annotated[
    str | None,
    typer.Option(
        "--selector",
        "-l",
        metavar="SELECTOR",
        help="Only nodes with fitting labels, as for kubectl: zone=a,disk!=hdd. Labels come from the inventory; "
        "for keys that no node has there, from the cluster.",
    ),
]
Handler = Annotated[
    str | None,
    typer.Option(
        "--handler",
        metavar="NAME",
        help="One handler of the nodes. Default: all that the inventory has for a node.",
    ),
]
SkipUnready = Annotated[
    bool,
    typer.Option(
        "--skip-unready",
        help="Leave out nodes that do not answer, or where something blocks it; do the others, and end with 1.",
    ),
]
SkipUnreachable = Annotated[
    bool,
    typer.Option(
        "--skip-unreachable",
        help="Leave out only nodes that do not answer; what blocks another node still stops the run.",
    ),
]
Deep = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Look at all nodes in full, also at those that are as they were when nothing was to be done.",
    ),
]
