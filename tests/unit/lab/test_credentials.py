from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from nodeprov_lab.credentials import Identity, issue, key_pair, make_authority


def certificate_of(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate)


def test_the_authority_signs_what_it_issues() -> None:
    authority = make_authority("kubernetes")
    ours = x509.load_pem_x509_certificate(authority.certificate)
    certificate_of(issue(authority, "somebody")).verify_directly_issued_by(ours)
    ours.verify_directly_issued_by(ours)


def test_a_kubelet_is_a_node_of_its_group() -> None:
    subject = certificate_of(issue(make_authority("kubernetes"), "system:node:worker1", "system:nodes")).subject
    assert subject.rfc4514_string() == "CN=system:node:worker1,O=system:nodes"


def test_names_and_addresses_become_a_servers_alternative_names() -> None:
    certificate = certificate_of(issue(make_authority("a"), "server", names=["worker1", "10.123.0.11"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["worker1"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.123.0.11"]


def test_a_client_cannot_pass_for_a_server() -> None:
    certificate = certificate_of(issue(make_authority("a"), "client", "system:masters"))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_belongs_to_its_key() -> None:
    identity = issue(make_authority("a"), "somebody")
    key = load_pem_private_key(identity.key, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == certificate_of(identity).public_key()


def test_the_halves_of_a_key_pair_belong_together() -> None:
    pair = key_pair()
    private = load_pem_private_key(pair.private, password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.public_key() == load_pem_public_key(pair.public)
