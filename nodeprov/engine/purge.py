"""What an uninstall keeps, and a purge removes: the receipts, when nothing is installed any more."""

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Host, rendered
from nodeprov.inventory import Node


def purge(node: Node, host: Host) -> str:
    """Remove a node's receipts; return what is to be said of it, "" for nothing.

    Raises NodeprovError, and removes nothing, while something of ours is installed there or a run holds the node.
    """
    state, prefix = node.settings.paths.state, node.settings.paths.prefix
    script = rendered("node/purge.sh.j2", state=state, places=(f"{prefix}/handlers", f"{prefix}/releases"))
    output = host.run(script)
    if output.returncode:
        raise NodeprovError(f"{state} is kept: {output.said}", f"nodeprov status {node.name}", where=node.name)
    return output.text.strip()
