"""The distributions that are known: each one a table."""

from nodeprov.containerd.distributions.distribution import Distribution, How, Origin
from nodeprov.errors import UsageError

PLAIN = Distribution(
    name="plain",
    title="plain containerd, as with kubeadm",
    config="",
    socket="/run/containerd/containerd.sock",
    units={},
    kubectl="kubectl",
    kubectl_folder="/usr/local/bin",
    kubeconfig="/etc/kubernetes/admin.conf",
    kubelets=("kubelet",),
    kubelet_unit="kubelet.service",
)

# k3s: pkg/agent/containerd/config.go. config-v3.toml.tmpl is looked for first, by releases with containerd 2;
# where only config.toml.tmpl is there, a version 2 file is made of it, so one that is there must be the one.
_TEMPLATES = (
    Origin("config-v3.toml.tmpl", How.GO_TEMPLATE, version=3, since=2),
    Origin("config.toml.tmpl", How.GO_TEMPLATE, version=2),
)

K3S = Distribution(
    name="k3s",
    title="k3s",
    config=r"/var/lib/rancher/k3s/agent/etc/containerd/config\.toml",
    socket="/run/k3s/containerd/containerd.sock",
    units={"k3s.service": ("kubelet", "the API server", "its datastore"), "k3s-agent.service": ("kubelet",)},
    kubectl="k3s kubectl",
    kubectl_folder="/usr/local/bin",
    kubeconfig="/etc/rancher/k3s/k3s.yaml",
    kubelets=("k3s-server", "k3s-agent"),
    kubelet_config="/etc/rancher/k3s/config.yaml",
    origins=_TEMPLATES,
)

RKE2 = Distribution(
    name="rke2",
    title="RKE2",
    config=r"/var/lib/rancher/rke2/agent/etc/containerd/config\.toml",
    socket="/run/k3s/containerd/containerd.sock",
    # etcd and the API server are static pods, and outlive it.
    units={"rke2-server.service": ("kubelet", "RKE2's supervisor"), "rke2-agent.service": ("kubelet",)},
    kubectl="/var/lib/rancher/rke2/bin/kubectl",
    kubectl_folder="/var/lib/rancher/rke2/bin",
    kubeconfig="/etc/rancher/rke2/rke2.yaml",
    origins=_TEMPLATES,
)

# k0s: docs/runtime.md; pkg/component/worker/containerd. From 1.36, which has containerd 2, a drop-in of version 2
# keeps k0s from starting (k0s#7689).
K0S = Distribution(
    name="k0s",
    title="k0s",
    config=r"/etc/k0s/containerd\.toml",
    socket="/run/k0s/containerd.sock",
    units={
        "k0scontroller.service": ("kubelet", "etcd", "the control plane"),
        "k0sworker.service": ("kubelet",),
    },
    kubectl="k0s kubectl",
    kubectl_folder="/usr/local/bin",
    kubeconfig="/var/lib/k0s/pki/admin.conf",
    origins=(
        Origin("containerd.d/nodeprov-{handler}.toml", How.DROP_IN, version=3, since=2),
        Origin("containerd.d/nodeprov-{handler}.toml", How.DROP_IN, version=2),
    ),
    drop_ins="containerd.d/*.toml",
    marker="# k0s_managed=true",
    notes=("k0s restarts containerd on its own some seconds after a change in containerd.d",),
)

# microk8s-resources/wrappers/run-containerd-with-args: sed makes containerd.toml of it at each start. `current`
# stays when a refresh of the snap gives it another folder, to which the file is copied.
MICROK8S = Distribution(
    name="microk8s",
    title="MicroK8s",
    config=r"/var/snap/microk8s/[^/]+/args/containerd\.toml",
    socket="/var/snap/microk8s/common/run/containerd.sock",
    units={"snap.microk8s.daemon-containerd.service": ()},
    kubectl="microk8s kubectl",
    kubectl_folder="/snap/bin",
    kubeconfig="/var/snap/microk8s/current/credentials/client.config",
    kubelets=("kubelite",),
    kubelet_unit="snap.microk8s.daemon-kubelite.service",
    variables={"SNAP_COMMON": "/var/snap/microk8s/common"},
    origins=(Origin("/var/snap/microk8s/current/args/containerd-template.toml", How.IN_PLACE, version=2),),
)

PROFILES = (PLAIN, K3S, RKE2, K0S, MICROK8S)
"""The first one is what a node is that no other one fits."""


def named(name: str) -> Distribution:
    """Find a profile by its name; raise UsageError if there is none."""
    found = next((profile for profile in PROFILES if profile.name == name), None)
    if found is None:
        known = ", ".join(profile.name for profile in PROFILES)
        raise UsageError(f"there is no distribution {name!r}", f"[containerd] distribution is one of {known}")
    return found


def default_socket(program: str) -> str:
    """Return the socket of a kubelet for which none is set: a program that embeds it has a default of its own."""
    embedding = next((profile for profile in PROFILES if program in profile.kubelets), PLAIN)
    return embedding.socket


def origin_names(handler: str) -> tuple[str, ...]:
    """Name every file that some distribution makes containerd's configuration of."""
    names = [origin.name for profile in PROFILES for origin in profile.origins]
    return tuple(dict.fromkeys(name.format(handler=handler) for name in names))


def kubelets() -> tuple[str, ...]:
    """Name every program that is kubelet, or has it in it."""
    return tuple(program for profile in PROFILES for program in profile.kubelets)


def kubelet_configs() -> dict[str, str]:
    """Tell what a program with kubelet in it reads in place of kubelet's own file, by the program."""
    return {name: each.kubelet_config for each in PROFILES for name in each.kubelets if each.kubelet_config}


def kubelet_units() -> tuple[str, ...]:
    """Name every service in whose journal kubelet's lines may be."""
    own = [profile.kubelet_unit for profile in PROFILES if profile.kubelet_unit]
    embedding = [unit for each in PROFILES for unit, others in each.units.items() if "kubelet" in others]
    return (*own, *embedding)
