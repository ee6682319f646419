"""What a cluster's parts, its nodes and its administrator know each other by."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_network

from nodeprov.templates import render
from nodeprov_lab.base import Machine
from nodeprov_lab.files import NodeFile
from nodeprov_lab.pki import Authority, Identity, KeyPair, key_pair

PKI = "/etc/kubernetes/pki"


@dataclass(frozen=True, slots=True)
class Secrets:
    """All that the cluster's parts know each other by."""

    authority: Authority
    apiserver: Identity
    kubelet_client: Identity
    admin: Identity
    controller_manager: Identity
    scheduler: Identity
    service_accounts: KeyPair


def make_secrets(master: Machine, service_subnet: str) -> Secrets:
    """Make an authority and have it sign for everybody but the kubelets."""
    authority = Authority.make("kubernetes")
    service = [f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    names = [*service, "localhost", master.name, master.address, str(ip_network(service_subnet)[1]), "127.0.0.1"]
    return Secrets(
        authority=authority,
        apiserver=authority.issue("kube-apiserver", names=names),
        kubelet_client=authority.issue("kube-apiserver-kubelet-client", "system:masters"),
        admin=authority.issue("kubernetes-admin", "system:masters"),
        controller_manager=authority.issue("system:kube-controller-manager"),
        scheduler=authority.issue("system:kube-scheduler"),
        service_accounts=key_pair(),
    )


def to_json(secrets: Secrets) -> str:
    """Write the secrets down, for a lab whose machines join one by one."""
    pairs = {field.name: getattr(secrets, field.name) for field in fields(secrets) if field.name != "authority"}
    pems = {name: {key: pem.decode() for key, pem in asdict(pair).items()} for name, pair in pairs.items()}
    authority = {key: pem.decode() for key, pem in asdict(secrets.authority.identity).items()}
    return json.dumps({"authority": authority, **pems})


def from_json(text: str) -> Secrets:
    """Read what `to_json` has written."""
    pems = {name: {key: pem.encode() for key, pem in pair.items()} for name, pair in json.loads(text).items()}
    authority = Authority(Identity(**pems.pop("authority")))
    service_accounts = KeyPair(**pems.pop("service_accounts"))
    return Secrets(authority, service_accounts=service_accounts, **{n: Identity(**p) for n, p in pems.items()})


def kubeconfig(secrets: Secrets, identity: Identity, master: Machine) -> bytes:
    """Write the file that lets a client of the API server in as `identity`."""
    encoded = {
        "authority": secrets.authority.certificate,
        "certificate": identity.certificate,
        "key": identity.key,
    }
    values = {name: b64encode(content).decode() for name, content in encoded.items()}
    return render("lab/kubeconfig.j2", server=f"https://{master.address}:6443", **values).encode()


def identity_files(name: str, identity: Identity) -> list[NodeFile]:
    """Write an identity as kubeadm names it: a certificate that all may read, and a key."""
    return [
        NodeFile(f"{PKI}/{name}.crt", identity.certificate),
        NodeFile(f"{PKI}/{name}.key", identity.key, 0o600),
    ]
