"""What on a node is not as its receipts say: where, what, why, and what mends it."""

from dataclasses import dataclass
from enum import StrEnum


class Truth(StrEnum):
    """Where it is asked how a node stands; the receipts say how it is to be."""

    DISK = "disk"
    CONTAINERD = "containerd"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as the receipts say. `cause` and `mend` are "" where only the node's people can know them."""

    truth: Truth
    said: str
    cause: str = ""
    mend: str = ""
    """The command to type."""
