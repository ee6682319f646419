"""The settings: every key that an inventory may have, with its type, default, meaning, rule and variable."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import ListOf, TableOf
from nodeprov.inventory.schema import setting, settings_of


@dataclass(frozen=True, slots=True)
class Ssh:
    """How a machine is reached; what is not set is taken from ~/.ssh/config."""

    address: str = setting(
        "Host name, address or alias in ~/.ssh/config; the node's name if it is not given.", syntax.ADDRESS
    )
    port: int | None = setting("TCP port of sshd.", syntax.PORT, default=None)
    user: str | None = setting(
        "User to log in as: root, or a user who may use sudo, with or without a password.",
        syntax.WORD,
        default=None,
    )
    identity_file: str | None = setting(
        "Private key, tried before those of ~/.ssh/config; ~ is allowed.", syntax.LOCAL_PATH, default=None
    )
    known_hosts: str | None = setting(
        "File with the trusted host keys, also those of jump hosts. Default: UserKnownHostsFile of ~/.ssh/config, "
        "or ~/.ssh/known_hosts. /etc/ssh/ssh_known_hosts is always read too.",
        syntax.LOCAL_PATH,
        default=None,
    )
    config_file: str | None = setting(
        "OpenSSH client configuration to read instead of ~/.ssh/config.", syntax.LOCAL_PATH, default=None
    )
    connect_timeout_seconds: int = setting(
        "Seconds to wait for a connection, for the server's greeting, and for the login.",
        syntax.SECONDS,
        default=10,
    )
    command_timeout_seconds: int = setting(
        "Seconds to wait for a command, or for an upload that makes no progress.", syntax.SECONDS, default=60
    )
    sudo: bool | None = setting(
        "Run commands by sudo. Default: yes, unless the user is root.", syntax.BOOLEAN, default=None
    )
    sudo_password_command: str | None = setting(
        "Command for sh on this machine that prints sudo's password as its first line, such as "
        '"pass show ops/sudo". It runs when sudo wants a password. Default: a person is asked, or '
        "--ask-sudo-password reads it.",
        syntax.SHELL,
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Members:
    """Which nodes a group has."""

    nodes: tuple[str, ...] = setting("Nodes of the group: names, and globs such as gpu-*.", ListOf(syntax.GLOB))


@dataclass(frozen=True, slots=True)
class NodeLabels:
    """By what nodes are chosen, besides their names."""

    labels: Mapping[str, str] = setting(
        "Labels by which the option -l chooses nodes. A node has those of its groups too; its own override them. "
        "nodeprov writes none of them into the cluster.",
        TableOf(syntax.LABEL_VALUE, syntax.LABEL_KEY),
        default={},
    )


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
class Paths:
    """Where things are on a node."""

    prefix: str = setting(
        "Folder of the releases; it must allow execution.", syntax.ABSOLUTE_PATH, default="/opt/nodeprov"
    )
    state: str = setting("Folder of the receipts.", syntax.ABSOLUTE_PATH, default="/var/lib/nodeprov")
    bin: str = setting(
        'Folder for a link, so that you can type runsc; "" for no link.',
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


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How the cluster is reached."""

    enabled: bool = setting("Label nodes and create the RuntimeClass.", syntax.BOOLEAN, default=True)
    host: str | None = setting(
        "Node or host on which kubectl runs. Default: this machine.", syntax.DNS_SUBDOMAIN, default=None
    )
    kubectl: str | None = setting(
        'The command to call, such as "k3s kubectl". Default: kubectl, or what is found on [cluster] host.',
        syntax.COMMAND,
        default=None,
    )
    kubeconfig: str | None = setting(
        "Its kubeconfig, on the machine where kubectl runs. Default: kubectl's own rules; on a host: found.",
        syntax.LOCAL_PATH,
        default=None,
    )
    context: str | None = setting("Its context.", syntax.WORD, default=None)
    startup_taint: str | None = setting(
        "Key of the taint that new nodes come with, such as readiness.k8s.io/gvisor (registerWithTaints of "
        "kubelet, effect NoSchedule). An install removes it when all its proofs have succeeded.",
        syntax.STARTUP_TAINT,
        default=None,
    )
    select: str | None = setting(
        "Labels of the nodes that `nodeprov cluster` installs, also of those that join later and that the "
        "inventory does not name. Default: the nodes of the inventory. Commands over SSH do not look at it.",
        syntax.SELECTOR,
        default=None,
    )
    timeout_seconds: int = setting(
        "Seconds to wait for kubectl on this machine; for a host, set its [ssh] command_timeout_seconds.",
        syntax.SECONDS,
        default=60,
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
    timeout_seconds: int = setting("Seconds to wait for a proof.", syntax.SECONDS, default=120)
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


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How many nodes are changed at the same time, in which order, and when. It is one for all nodes."""

    canary: int = setting(
        "How many nodes are changed first. Only when they are done, and still serve after the soak time, do the "
        "others follow.",
        syntax.COUNT,
        default=0,
    )
    soak_seconds: int = setting(
        "Seconds to wait after the canary nodes; then they are tested once more.",
        syntax.SECONDS_OR_NONE,
        default=0,
    )
    max_unavailable: str | None = setting(
        "How many nodes may be restarting at the same time, or out of service anyway: nodes that are not ready, "
        "or were cordoned by others, count. A percentage is of all nodes named, rounded down, at least 1. "
        "Default: one node after the other, however the others are.",
        syntax.SHARE,
        default=None,
    )
    max_parallel: int | None = setting(
        "How many nodes are changed at the same time if nothing restarts on them. Default: 10 if max_unavailable "
        "is set, else 1.",
        syntax.AT_LEAST_ONE,
        default=None,
    )
    max_failures: int = setting(
        "After this many nodes have failed no other one is begun.", syntax.AT_LEAST_ONE, default=1
    )
    allow_two_zones: bool = setting(
        "Let nodes of different zones (their label topology.kubernetes.io/zone) restart at the same time.",
        syntax.BOOLEAN,
        default=False,
    )
    quiet_seconds: int = setting(
        "Seconds to wait at most, before containerd restarts, for a moment in which no container is just being "
        "started on the node.",
        syntax.SECONDS_OR_NONE,
        default=30,
    )
    window: str | None = setting(
        "Time of the day in which nodes are changed. A node is begun only if it will be done before the end.",
        syntax.WINDOW,
        default=None,
    )
    time_zone: str = setting("Time zone of the window, days and freeze.", syntax.TIME_ZONE, default="UTC")
    days: tuple[str, ...] = setting(
        "Days on which the window begins. Default: every day.", ListOf(syntax.DAY), default=()
    )
    freeze: tuple[str, ...] = setting(
        "Dates on which no node is changed, whatever the window.", ListOf(syntax.DATES), default=()
    )
    drain: bool = setting(
        "Before containerd restarts, cordon the node and evict its pods, as kubectl drain --ignore-daemonsets "
        "does; uncordon it at the end, unless it was cordoned before. It needs the rights of "
        "`nodeprov rbac --drain`.",
        syntax.BOOLEAN,
        default=False,
    )
    drain_timeout_seconds: int = setting(
        "Seconds to wait until the pods have left; a PodDisruptionBudget may forbid it for a while.",
        syntax.SECONDS,
        default=300,
    )
    drain_force: bool = setting("Evict also pods that no controller makes again.", syntax.BOOLEAN, default=False)
    drain_emptydir_data: bool = setting(
        "Also evict pods with emptyDir volumes. Their content is lost.", syntax.BOOLEAN, default=False
    )
    after_rollback: str = setting(
        "What an install does on a node that was rolled back from the very generation that the inventory wants: "
        "hold (it is refused), or forward. The option --forward sets it for one run.",
        syntax.AFTER_ROLLBACK,
        default="hold",
    )
    wait_for: str | None = setting(
        "Labels of pods that are not to be disturbed, such as those of jobs: before containerd restarts, cordon "
        "the node and wait until its pods with these labels have ended; they are not evicted. It needs the rights "
        "of `nodeprov rbac --drain`.",
        syntax.SELECTOR,
        default=None,
    )
    wait_timeout_seconds: int = setting(
        "Seconds to wait at most until they have ended.", syntax.SECONDS, default=3600
    )
    wait_then: str = setting(
        "If they take longer: fail, and the node stays as it is; or evict them.", syntax.TOO_LONG, default="fail"
    )
    before: str | None = setting(
        "Command for sh on this machine before each node, with NODEPROV_NODE and NODEPROV_ACTION in its "
        "environment. If it fails, the node is not touched, and counts as failed.",
        syntax.SHELL,
        default=None,
    )
    after: str | None = setting(
        "Command after each node, also one that has failed: NODEPROV_RESULT is done or failed. If it fails, that "
        "counts as a failed node, which stays as it is.",
        syntax.SHELL,
        default=None,
    )
    hook_timeout_seconds: int = setting(
        "Seconds that each of these commands may take.", syntax.SECONDS, default=60
    )


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


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is wanted on a node; a field is a table of the inventory."""

    release: ReleaseSettings
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    paths: Paths = field(default_factory=Paths)
    containerd: ContainerdSettings = field(default_factory=ContainerdSettings)
    label: Label = field(default_factory=Label)
    runtime_class: RuntimeClassSettings = field(default_factory=RuntimeClassSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    proof: ProofSettings = field(default_factory=ProofSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)


PREFIX = "NODEPROV_"
TABLES: Mapping[str, type] = {"ssh": Ssh, **typing.get_type_hints(Settings)}
"""Every table of settings, by its name in the file."""
OF_ALL_TABLES = ("cluster", "rollout", "trust")
"""The tables that are one for all nodes."""
NODE_TABLES = tuple(name for name in TABLES if name not in ("ssh", *OF_ALL_TABLES))
"""The tables that a node or group may have of its own; its keys of ssh stand in its own table."""
HANDLER_TABLES = ("release", "label", "runtime_class")
"""The tables that a handler of [handlers] may have of its own; its keys of [runtime] stand in its own table."""


def variable(table: str, key: str) -> str:
    """Name the environment variable of a key."""
    return f"{PREFIX}{table}_{key}".upper()


def keys_of(table: str) -> list[str]:
    """List the keys of a table."""
    return list(settings_of(TABLES[table]))
