"""Runtimes that nodeprov can install; each family is a folder.

`FAMILY` is the one that the command line installs, and `SOFTWARE` its releases.
"""

from typing import TYPE_CHECKING, Any

from nodeprov.runtimes.gvisor.software import SOFTWARE

if TYPE_CHECKING:
    from nodeprov.runtimes.gvisor.family import GVISOR as FAMILY

__all__ = ["FAMILY", "SOFTWARE"]


def __getattr__(name: str) -> Any:
    """Import the family when it is asked for: who reads a lock needs its releases alone, and saves 50 ms."""
    if name == "FAMILY":
        from nodeprov.runtimes.gvisor.family import GVISOR

        return GVISOR
    raise AttributeError(name)
