"""Whom to believe which bytes are installed."""

from dataclasses import dataclass

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import ListOf
from nodeprov.inventory.schema import setting


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Whom to believe which bytes are installed. It is one for all nodes, and read on this machine alone.

    Paths that are not absolute are below the inventory's folder.
    """

    lock: str | None = setting(
        "The lock file, which must then be there. Default: nodeprov.lock beside the inventory, if there is one.",
        syntax.LOCAL_PATH,
        default=None,
    )
    allowed_signers: str | None = setting(
        "Who may sign locks and saved plans, as ssh-keygen(1) describes under ALLOWED SIGNERS. If it is set, a "
        "lock or a plan that none of them has signed (`nodeprov sign`) is refused.",
        syntax.LOCAL_PATH,
        default=None,
    )
    apt_keyring: str | None = setting(
        "OpenPGP keys that sign the apt suites of the releases. If it is set, `nodeprov lock` asks the suite too, "
        "and needs gpgv.",
        syntax.LOCAL_PATH,
        default=None,
    )
    witnesses: tuple[str, ...] = setting(
        "Other origins that `nodeprov lock` asks for the digests; {release} in an address stands for the version.",
        ListOf(syntax.URL),
        default=(),
    )
