"""Where things lie on a node, what its containerd is like, and how an installation is tested."""

from dataclasses import dataclass

from nodeprov.inventory import syntax
from nodeprov.inventory.schema import setting

USUAL_PROOF_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are on a node."""

    prefix: str = setting(
        "Folder of the releases; it must allow execution.", syntax.ABSOLUTE_PATH, default="/opt/nodeprov"
    )
    state: str = setting("Folder of the receipts.", syntax.ABSOLUTE_PATH, default="/var/lib/nodeprov")
    bin: str = setting(
        'Folder for a link, so that people find the program by its name; "" for no link.',
        syntax.ABSOLUTE_PATH_OR_NONE,
        default="/usr/local/bin",
    )


@dataclass(frozen=True, slots=True)
class ContainerdSettings:
    """What nodeprov should know of containerd; keys that are not set are detected."""

    config: str | None = setting("Its configuration file.", syntax.ABSOLUTE_PATH, default=None)
    unit: str | None = setting("Its systemd unit.", syntax.WORD, default=None)
    socket: str | None = setting("Its socket.", syntax.ABSOLUTE_PATH, default=None)
    config_style: str = setting(
        "Where the runtime is declared: root (in that file), or dropin (in a file of its own, in a folder that it "
        "imports; containerd 2).",
        syntax.CONFIG_STYLE,
        default="root",
    )
    distribution: str | None = setting(
        "Kubernetes distribution, if it is not detected. It decides which file is edited and which service is "
        f"restarted: {syntax.NAMES_OF_DISTRIBUTIONS}.",
        syntax.DISTRIBUTION,
        default=None,
    )
    pending_changes: str = setting(
        "Changes that others made since containerd started, and that cannot be tried before the restart puts them "
        "into use (another containerd on disk, an edited template): refuse the run, or activate them. The option "
        "--activate-pending sets it for one run.",
        syntax.PENDING_CHANGES,
        default="refuse",
    )


@dataclass(frozen=True, slots=True)
class ProofSettings:
    """How an installation is tested."""

    pod: bool = setting("Run a test pod of the RuntimeClass on each node.", syntax.BOOLEAN, default=True)
    image: str | None = setting(
        "Image of the test pod, if nodeprov's own cannot be imported on the nodes: a copy of it in a registry "
        "(`nodeprov image FILE` writes it).",
        syntax.WORD,
        default=None,
    )
    namespace: str = setting(
        "Namespace of the test pod; it must exist. With a namespace of its own, nodeprov needs no rights on other "
        "pods (`nodeprov rbac`).",
        syntax.DNS_LABEL,
        default="default",
    )
    timeout_seconds: int = setting(
        "Seconds to wait for a proof, and for the next answer of `nodeprov probe`. For slow nodes, say 600: what "
        "takes time in that one's pods may then take as many times longer as this is longer.",
        syntax.SECONDS,
        default=USUAL_PROOF_SECONDS,
    )
    steady_seconds: int = setting(
        "How many seconds containerd must stay healthy after its restart before the change is kept; at least its "
        "unit's RestartSec + 1.",
        syntax.SECONDS,
        default=6,
    )
    unconfirmed: str = setting(
        "If nodeprov loses contact during a restart that succeeded: keep the new configuration, or restore the "
        "old one.",
        syntax.UNCONFIRMED,
        default="keep",
    )

    @property
    def patience(self) -> int:
        """How many times longer than usual all may take."""
        return max(1, self.timeout_seconds // USUAL_PROOF_SECONDS)
