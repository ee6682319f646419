"""What a cluster's parts and its administrator know each other by: certificates of an authority of its own."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nodeprov.templates import render
from nodeprov_lab.base import Machine, NodeFile

PKI = "/etc/kubernetes/pki"
# The lab's end is the certificates' end; a machine whose clock is wrong can be in a lab too.
_NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(2120, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its public half, both PEM."""

    private: bytes
    public: bytes


def make_authority(name: str) -> Identity:
    """Make an authority, whose certificate it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return _signed(named, key, issuer=named, signing_key=key, is_authority=True)


def issue(authority: Identity, common_name: str, organization: str = "", *, names: Sequence[str] = ()) -> Identity:
    """Issue a certificate for a client, and for a server of these names, which may be addresses.

    Kubernetes takes the common name for the user and the organization for the group.
    """
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    usages, extensions = [ExtendedKeyUsageOID.CLIENT_AUTH], list[x509.ExtensionType]()
    if names:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        extensions.append(x509.SubjectAlternativeName([_general_name(name) for name in names]))
    extensions.append(x509.ExtendedKeyUsage(usages))
    key = ec.generate_private_key(ec.SECP256R1())
    signing_key = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)  # we have made it
    issuer = x509.load_pem_x509_certificate(authority.certificate).subject
    return _signed(x509.Name(attributes), key, extensions, issuer=issuer, signing_key=signing_key)


def key_pair() -> KeyPair:
    """Make the key pair that service accounts' tokens are signed with."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(_private_pem(key), public)


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    extensions: Sequence[x509.ExtensionType] = (),
    *,
    issuer: x509.Name,
    signing_key: ec.EllipticCurvePrivateKey,
    is_authority: bool = False,
) -> Identity:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
        .add_extension(_key_usage(signs_certificates=is_authority), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(signing_key, hashes.SHA256())
    return Identity(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key))


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass(frozen=True, slots=True)
class Secrets:
    """All that the cluster's parts know each other by."""

    authority: Identity
    apiserver: Identity
    kubelet_client: Identity
    admin: Identity
    controller_manager: Identity
    scheduler: Identity
    service_accounts: KeyPair


def make_secrets(master: Machine, service_subnet: str) -> Secrets:
    """Make an authority and have it sign for everybody but the kubelets."""
    authority = make_authority("kubernetes")
    service = [f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    names = [*service, "localhost", master.name, master.address, str(ip_network(service_subnet)[1]), "127.0.0.1"]
    return Secrets(
        authority=authority,
        apiserver=issue(authority, "kube-apiserver", names=names),
        kubelet_client=issue(authority, "kube-apiserver-kubelet-client", "system:masters"),
        admin=issue(authority, "kubernetes-admin", "system:masters"),
        controller_manager=issue(authority, "system:kube-controller-manager"),
        scheduler=issue(authority, "system:kube-scheduler"),
        service_accounts=key_pair(),
    )


def to_json(secrets: Secrets) -> str:
    """Write the secrets down, for a lab whose machines join one by one."""
    return json.dumps(asdict(secrets), default=bytes.decode)


def from_json(text: str) -> Secrets:
    """Read what `to_json` has written."""
    pems = {name: {key: pem.encode() for key, pem in pair.items()} for name, pair in json.loads(text).items()}
    service_accounts = KeyPair(**pems.pop("service_accounts"))
    return Secrets(service_accounts=service_accounts, **{name: Identity(**pair) for name, pair in pems.items()})


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
