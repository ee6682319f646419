"""Runtimes that nodeprov can install; each family is a folder.

`FAMILY` is the one that the command line installs.
"""

from nodeprov.runtimes.gvisor.family import GVISOR as FAMILY

__all__ = ["FAMILY"]
