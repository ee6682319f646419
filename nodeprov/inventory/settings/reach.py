"""How machines and the cluster are reached, and by what nodes are chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import ListOf, TableOf
from nodeprov.inventory.schema import setting


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
        "Key of the taint that new nodes come with, such as readiness.k8s.io/sandbox (registerWithTaints of "
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
