"""Which release is wanted, how the runtime runs, and how it is known to the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import ListOf, TableOf
from nodeprov.inventory.schema import setting


@dataclass(frozen=True, slots=True)
class ReleaseSettings:
    """Which release of gVisor, from where."""

    version: str = setting(
        'Release to install, such as "20260905.0"; "latest" is allowed. There is no default.', syntax.RELEASE
    )
    base_url: str = setting(
        "Address of the published releases, or of a mirror.",
        syntax.URL,
        default="https://storage.googleapis.com/gvisor/releases",
    )
    download_timeout_seconds: int = setting(
        "Seconds that the download of a release may take. What has arrived is kept, and the next run continues.",
        syntax.SECONDS,
        default=3600,
    )
    least_bytes_per_second: int = setting(
        "A download that is slower than this for 30 seconds fails.", syntax.RATE, default=1000
    )
    sha512: Mapping[str, Mapping[str, str]] = setting(
        "Digests that the artifacts must have, by architecture and artifact. Default: those of the origin.",
        TableOf(TableOf(syntax.SHA512), syntax.ARCHITECTURE),
        default={},
    )
    keep: int = setting(
        "How many generations that were in force before stay on a node, with their releases: what "
        "`nodeprov rollback` can go back to. With 0 it cannot.",
        syntax.GENERATIONS,
        default=1,
    )


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """The runtime as containerd knows it, and how runsc runs."""

    handler: str = setting(
        "Name of the runtime in containerd and in the RuntimeClass.", syntax.HANDLER, default="runsc"
    )
    platform: str = setting(
        "How gVisor intercepts system calls: systrap, kvm (needs /dev/kvm) or ptrace (legacy).",
        syntax.PLATFORM,
        default="systrap",
    )
    flags: Mapping[str, str] = setting(
        "More flags of runsc; every value is a string.", TableOf(syntax.ANY_TEXT, syntax.FLAG), default={}
    )
    strict: bool = setting(
        "Declare each generation to containerd by a path of its own, not by the link `current`: an upgrade or a "
        "rollback then restarts containerd, and a container that restarts in an old sandbox goes on with the "
        "sandbox's release.",
        syntax.BOOLEAN,
        default=False,
    )
    mount_hints: bool = setting(
        "Whether pods may say by annotations (dev.gvisor.spec.mount.*) how their containers share a volume, so "
        "that sockets, FIFOs, locks and inotify work from one to the other; the volume is memory of the pod then. "
        "containerd restarts where this changes.",
        syntax.BOOLEAN,
        default=False,
    )
    canary: bool = setting(
        "Whether the table of a canary's handler is declared to containerd together with this one, so that "
        "`nodeprov canary start` needs no restart. A node that is installed already gets it when its table is "
        "written for another reason.",
        syntax.BOOLEAN,
        default=True,
    )


@dataclass(frozen=True, slots=True)
class HandlerSettings:
    """How runsc runs for another handler on the same nodes. What it does not say is that of [runtime]."""

    platform: str | None = setting(
        "Its platform: systrap, kvm or ptrace. Default: that of [runtime].", syntax.PLATFORM, default=None
    )
    flags: Mapping[str, str] = setting(
        "Its flags of runsc, in addition to those of [runtime.flags].",
        TableOf(syntax.ANY_TEXT, syntax.FLAG),
        default={},
    )
    strict: bool | None = setting(
        "Whether containerd's table names each of its generations. Default: as [runtime] has it.",
        syntax.BOOLEAN,
        default=None,
    )
    mount_hints: bool | None = setting(
        "Whether its pods may say how their containers share a volume. Default: as [runtime] has it.",
        syntax.BOOLEAN,
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Label:
    """The label of nodes on which gVisor was tested."""

    key: str = setting(
        "The label's key. Below node-restriction.kubernetes.io/ no kubelet can set it on its own node.",
        syntax.LABEL_KEY,
        default="nodeprov.node-restriction.kubernetes.io/gvisor",
    )
    value: str = setting("The label's value.", syntax.LABEL_VALUE, default="true")


@dataclass(frozen=True, slots=True)
class RuntimeClassSettings:
    """The RuntimeClass, shared by all nodes that use its name."""

    name: str = setting("Its name, which pods use as runtimeClassName.", syntax.DNS_SUBDOMAIN, default="gvisor")
    overhead: Mapping[str, str] = setting(
        "What a sandbox needs in addition to its containers. It is added to each pod's requests and cgroup.",
        TableOf(syntax.QUANTITY, syntax.RESOURCE),
        default={"memory": "64Mi", "cpu": "50m"},
    )
    tolerations: tuple[Mapping[str, str | int], ...] = setting(
        "Tolerations that its pods get.", ListOf(syntax.TOLERATION), default=()
    )
    node_selector: Mapping[str, str] = setting(
        "Labels that nodes of its pods must have in addition to nodeprov's own.",
        TableOf(syntax.LABEL_VALUE, syntax.LABEL_KEY),
        default={},
    )
