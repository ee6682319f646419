"""What of a node's files is not as it was installed: deleted, replaced or edited since, by whomever."""

from collections.abc import Iterator

from nodeprov.diagnosis.difference import Difference, Truth
from nodeprov.hosts.base import Reader
from nodeprov.node.as_installed import DELETED, MOVED, Found, Held, generation_differences
from nodeprov.node.layout import Layout
from nodeprov.node.state import Facts
from nodeprov.states import LinkState


def damage(reader: Reader, facts: Facts, layout: Layout, held: Held, mend: str) -> Iterator[Difference]:
    """Find what of the files is not as it was installed; `mend` is the command that puts it right."""
    for said, cause in (*_links(facts, layout, held), *_files(reader, layout, held)):
        yield Difference(Truth.DISK, said, cause, mend)


def _links(facts: Facts, layout: Layout, held: Held) -> Iterator[Found]:
    """Look at the links by which containerd and people find the runtime."""
    for path in filter(None, (layout.current, layout.link_for_people)):
        wanted, target = held.get(f"link:{path}"), facts.footprint.links.get(path, "")
        is_theirs = target.startswith(tuple(f"{each}/" for each in facts.footprint.handler_folders(layout)))
        if isinstance(wanted, LinkState) and target != wanted.target and not is_theirs:
            if target:
                yield f"{path} leads to {target}, not to {wanted.target}", MOVED
            else:
                yield f"{path} is missing", DELETED


def _files(reader: Reader, layout: Layout, held: Held) -> Iterator[Found]:
    """Look at the generation that was installed last, and at every file of its release."""
    current = held.get(f"link:{layout.current}")
    folder = f"{layout.handler_folder}/{current.target}" if isinstance(current, LinkState) else ""
    if folder:
        yield from generation_differences(reader, folder, held)
