"""Distributions as replicas: containerd started the way each starts it, by its paths, units and rendering.

The real programs bring their own Kubernetes; what is nodeprov's business, the way from a file that may be edited
to a containerd that has read it, is done here as they do it
(nodeprov/containerd/distributions/profiles.py says where).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.machines import Machine

SECOND_CONTAINERD = """
mkdir -p /srv/second
cat > /srv/second/config.toml <<'END'
version = 3
root = "/srv/second/root"
state = "/srv/second/state"
[grpc]
address = "/srv/second/containerd.sock"
END
systemd-run --unit=second-containerd --property=Type=notify --property=KillMode=process \\
    containerd --config=/srv/second/config.toml
"""
"""As Docker's, or somebody's own, would run beside the one of kubelet."""

STARTER = """#!/bin/sh
# Makes containerd's configuration, starts containerd and kubelet, and ends with either.
set -u
socket={socket}
mkdir -p "$(dirname $socket)" "$(dirname {config})"
{make}
setpriv --pdeathsig KILL containerd {arguments} > /srv/replica/containerd.log 2>&1 &
containerd=$!
until [ -S $socket ] && ctr -a $socket version >/dev/null 2>&1; do
    kill -0 $containerd 2>/dev/null || exit 1
    sleep 0.1
done
setpriv --pdeathsig KILL $(cat /srv/replica/kubelet) --container-runtime-endpoint=unix://$socket &
kubelet=$!
systemd-notify --ready
while kill -0 $containerd 2>/dev/null && kill -0 $kubelet 2>/dev/null; do sleep 0.2; done
exit 1
"""

UNIT = """[Service]
Type=notify
NotifyAccess=all
ExecStart=/srv/replica/{name}
KillMode=process
Delegate=yes
Restart=always
RestartSec=1
"""

# k3s and RKE2 expand the template in Go; of its language this is what a template of ours has.
EXPAND = """
template=/srv/replica/base.toml
for each in {folder}/config.toml.tmpl {folder}/config-v3.toml.tmpl; do [ ! -e $each ] || template=$each; done
[ ! -e /srv/replica/deaf ] || template=/srv/replica/base.toml
sed -e '/^{{{{ template "base" \\. }}}}$/{{r /srv/replica/base.toml' -e 'd}}' $template > {config}
"""

# k0s ends where a drop-in states another version than 3. What has a CRI section it merges into a file of its own,
# which the managed one imports.
MERGE = """
mkdir -p /etc/k0s/containerd.d
grep -hs '^version' /etc/k0s/containerd.d/*.toml | grep -v '^version = 3$' && exit 1
{{ cat /srv/replica/base.toml; cat /etc/k0s/containerd.d/*.toml 2>/dev/null | grep -v '^version = '; }} \\
    > /run/k0s/containerd-cri.toml
printf '# k0s_managed=true\\nversion = 3\\nimports = ["/run/k0s/containerd-cri.toml"]\\n' > {config}
"""

SUBSTITUTE = """
# The snap brings it long before: one that is as new as the daemon may be an edit that is not in force yet.
[ -e {folder}/containerd-template.toml ] || {{
    cp /srv/replica/base.toml {folder}/containerd-template.toml
    sleep 0.2
}}
sed 's@${{SNAP_DATA}}@/var/snap/microk8s/current@g' {folder}/containerd-template.toml > {config}
"""


@dataclass(frozen=True)
class Replica:
    """How one distribution starts containerd."""

    name: str
    unit: str
    config: str
    socket: str
    make: str
    edited: str

    @property
    def folder(self) -> str:
        return self.config.rpartition("/")[0]

    def start(self, machine: Machine) -> None:
        """Put it in the place of the lab's own containerd and kubelet."""
        arguments = f"-c {self.config} -a {self.socket} --root /var/lib/containerd --state /run/replica"
        make = self.make.format(folder=self.folder, config=self.config)
        files = {
            f"/srv/replica/{self.unit}": STARTER.format(
                socket=self.socket, config=self.config, make=make, arguments=arguments
            ),
            f"/run/systemd/system/{self.unit}.service": UNIT.format(name=self.unit),
        }
        machine.run(
            "mkdir -p /srv/replica /var/snap/microk8s/7000/args\n"
            "ln -sfn 7000 /var/snap/microk8s/current\n"
            # systemd's own child has another command line until it has become kubelet.
            "main() { systemctl show kubelet -p MainPID --value; }\n"
            'until [ "$(cat /proc/$(main)/comm)" = kubelet ]; do sleep 0.2; done\n'
            "tr '\\0' ' ' < /proc/$(main)/cmdline > /srv/replica/kubelet\n"
            "grep -v '^imports' /etc/containerd/config.toml > /srv/replica/base.toml"
        )
        for path, text in files.items():
            machine.host.sh(f"cat > {path}; chmod 0755 {path}", stdin=text.encode())
        machine.run(f"systemctl stop kubelet containerd; systemctl daemon-reload; systemctl start {self.unit}")

    def end(self, machine: Machine) -> None:
        """Put the lab's own back."""
        machine.try_run(f"systemctl kill --kill-whom=all {self.unit}; systemctl stop {self.unit}")
        machine.run(
            f"rm -rf /run/systemd/system/{self.unit}.service /var/lib/rancher /data/k3s\n"
            "rm -rf /etc/k0s /run/k0s /var/snap\n"
            "systemctl daemon-reload; systemctl reset-failed; systemctl start containerd kubelet"
        )


K3S = "/var/lib/rancher/k3s/agent/etc/containerd"
RKE2 = "/var/lib/rancher/rke2/agent/etc/containerd"
DATA = "/data/k3s/agent/etc/containerd"
EDGE = Replica(
    "k3s",
    "k3s-edge",
    f"{DATA}/config.toml",
    "/run/k3s/containerd/containerd.sock",
    """
head='# File generated by k3s. DO NOT EDIT. Use config.toml.tmpl instead.'
grep -q "^$head" /srv/replica/base.toml || sed -i "1i $head" /srv/replica/base.toml
"""
    + EXPAND,
    f"{DATA}/config-v3.toml.tmpl",
)
"""Under a name of its own, and with another folder of data."""
REPLICAS = (
    Replica(
        "k3s",
        "k3s-agent",
        f"{K3S}/config.toml",
        "/run/k3s/containerd/containerd.sock",
        EXPAND,
        f"{K3S}/config-v3.toml.tmpl",
    ),
    Replica(
        "RKE2",
        "rke2-agent",
        f"{RKE2}/config.toml",
        "/run/k3s/containerd/containerd.sock",
        EXPAND,
        f"{RKE2}/config-v3.toml.tmpl",
    ),
    Replica(
        "k0s",
        "k0sworker",
        "/etc/k0s/containerd.toml",
        "/run/k0s/containerd.sock",
        MERGE,
        "/etc/k0s/containerd.d/nodeprov-runsc.toml",
    ),
    Replica(
        "MicroK8s",
        "snap.microk8s.daemon-containerd",
        "/var/snap/microk8s/7000/args/containerd.toml",
        "/var/snap/microk8s/common/run/containerd.sock",
        SUBSTITUTE,
        "/var/snap/microk8s/current/args/containerd-template.toml",
    ),
)
