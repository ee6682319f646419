"""What a kubeconfig, or a pod's service account, says of an API server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from nodeprov.dispatch.access import Access, from_kubeconfig, in_cluster
from nodeprov.errors import NodeprovError

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def _kubeconfig(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    server = {"server": "https://10.0.0.1:6443/", "certificate-authority-data": _coded("CA"), **cluster}
    return {"clusters": [{"name": "c", "cluster": server}], "users": [{"name": "u", "user": user}]}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_pod_reaches_its_own_cluster_by_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "token").write_text("one\n")
    access = in_cluster(IN_POD, tmp_path)
    assert access == Access("https://10.96.0.1:443", "CA", token_file=str(tmp_path / "token"))
    assert access.current_token() == "one"
    (tmp_path / "token").write_text("two\n")
    assert access.current_token() == "two"


def test_an_address_of_ipv6_is_written_as_urls_want_it(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    access = in_cluster({**IN_POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert (access.server, access.url.hostname, access.url.port) == ("https://[fd00::1]:443", "fd00::1", 443)


def test_who_is_in_no_pod_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NodeprovError, match="this is not a pod of a cluster"):
        in_cluster({}, tmp_path)
    with pytest.raises(NodeprovError, match="cannot be read: No such file"):
        in_cluster(IN_POD, tmp_path)
    with pytest.raises(NodeprovError, match="the token cannot be read"):
        Access("https://x", token_file=str(tmp_path / "token")).current_token()


def test_a_kubeconfig_with_a_certificate() -> None:
    user = {"client-certificate-data": _coded("CERT"), "client-key-data": _coded("KEY")}
    access = from_kubeconfig(_kubeconfig(user, **{"tls-server-name": "kubernetes"}), "kubeconfig")
    assert access == Access("https://10.0.0.1:6443", "CA", "kubernetes", "CERT", "KEY")


def test_a_kubeconfig_with_a_token() -> None:
    access = from_kubeconfig(_kubeconfig({"token": "t"}), "kubeconfig")
    assert access.current_token() == "t"


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Access("https://x", certificate="hidden", key="hidden", token="hidden"))


@pytest.mark.parametrize(
    ("user", "how"), [({"exec": {"command": "aws"}}, "exec"), ({}, "nothing"), (None, "nothing")]
)
def test_a_user_of_another_kind_is_refused_with_what_to_do(user: Any, how: str) -> None:
    with pytest.raises(NodeprovError, match=f"kubeconfig: its user logs in by {how}") as raised:
        from_kubeconfig(_kubeconfig(user), "kubeconfig")
    assert "kubectl create token" in raised.value.hint


@pytest.mark.parametrize(
    "server",
    [
        "",
        "10.0.0.1:6443",
        "ftp://x",
        "https://",
        "https://[::1",
        "https://x:port",
        "https://x:99999",
        "https://x y",
        5,
    ],
)
def test_a_server_that_is_no_address_is_refused(server: Any) -> None:
    with pytest.raises(NodeprovError) as raised:
        from_kubeconfig(_kubeconfig({"token": "t"}, server=server), "kubeconfig")
    assert raised.value.where == "kubeconfig"
    assert raised.value.hint


@pytest.mark.parametrize("token", ["hid\nden", "hid den", "hidden\N{BULLET}", ["hidden"], 5])
def test_a_token_that_is_none_is_refused_and_not_shown(token: Any) -> None:
    with pytest.raises(NodeprovError) as raised:
        from_kubeconfig(_kubeconfig({"token": token}), "kubeconfig")
    assert "hid" not in str(raised.value)
    assert raised.value.hint


def test_certificates_that_are_none_are_refused_and_not_shown() -> None:
    for access in (Access("https://x", "hidden"), Access("https://x", certificate="hidden", key="hidden")):
        with pytest.raises(NodeprovError, match="certificate") as raised:
            access.tls()
        assert "hidden" not in str(raised.value)
        assert raised.value.hint


def test_what_is_no_kubeconfig_is_refused() -> None:
    with pytest.raises(NodeprovError, match="not understood"):
        from_kubeconfig({"clusters": None, "users": None}, "kubeconfig")
