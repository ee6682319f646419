"""How a cluster's API server is reached: from a pod of the cluster, or as a kubeconfig says."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from nodeprov.dispatch.login import Login, Run
from nodeprov.errors import NodeprovError, of_type, placed, taking_json_apart

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_NOT_IN_POD = "run this in a pod with a service account, or name a kubeconfig"


@dataclass(frozen=True, slots=True)
class Access:
    """A server, whom to believe that it is the one, and who we are.

    Args:
        server: its address, such as https://10.96.0.1:443.
        authority: certificates of its authority, PEM; "" means those that this machine trusts.
        server_name: the name that its certificate must have; "" is that of the address.
        certificate, key: ours, PEM; "" if there is none.
        token: ours; "" if there is none.
        token_file: a file that has it and is replaced from time to time, as kubelet does.
        insecure: believe any server, as a kubeconfig may say.
        login: a program that gives a token or a certificate; None if there is none.
    """

    server: str
    authority: str = ""
    server_name: str = ""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    insecure: bool = False
    login: Login | None = None

    @property
    def url(self) -> SplitResult:
        """The address, taken apart."""
        return urlsplit(self.server)

    def tls(self) -> ssl.SSLContext | None:
        """Return what its connections are made with; None where it is spoken to in the clear."""
        if self.url.scheme == "http":
            return None
        with _understood("authority"):
            context = ssl.create_default_context(cadata=self.authority or None)
        # Since 3.13 Python insists on RFC 5280, where Go does not: authorities of many clusters have no key
        # identifier (https://github.com/kubernetes-client/python/issues/2394). kubectl believes them, so do we.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        pem = f"{self.certificate}\n{self.key}\n" if self.certificate else self.given_certificate()
        if pem:
            # ssl reads a key from a file only (https://github.com/python/cpython/issues/60691).
            with tempfile.NamedTemporaryFile() as file:
                file.write(pem.encode())
                file.flush()
                with _understood("user"):
                    context.load_cert_chain(file.name)
        return context

    def given_certificate(self) -> str:
        """Return the certificate and key that a login program gives now; "" where it gives none."""
        given = self.login.credential() if self.login else None
        return f"{given.certificate}\n{given.key}\n" if given and given.certificate else ""

    def may_be_renewed(self, token: str) -> bool:
        """Tell whether there may be another token than one that was refused."""
        if self.login:
            self.login.refuse(token)
        return bool(self.token_file or self.login)

    def current_token(self) -> str:
        """Return the token as it is now; raise NodeprovError if its file cannot be read."""
        if self.login:
            return self.login.credential().token
        if not self.token_file:
            return self.token
        try:
            return Path(self.token_file).read_text().strip()
        except OSError as error:
            raise NodeprovError(
                f"the token cannot be read: {error.strerror}", _NOT_IN_POD, where=self.token_file
            ) from None


def in_cluster(environment: Mapping[str, str], folder: Path = SERVICE_ACCOUNT) -> Access:
    """Return how a pod reaches its own cluster; raise NodeprovError where this is none."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise NodeprovError("this is not a pod of a cluster: KUBERNETES_SERVICE_HOST is not set", _NOT_IN_POD)
    try:
        authority = (folder / "ca.crt").read_text()
    except OSError as error:
        said = f"the authority of the cluster cannot be read: {error.strerror}"
        raise NodeprovError(said, _NOT_IN_POD, where=str(folder / "ca.crt")) from None
    address = f"[{host}]" if ":" in host else host
    return Access(f"https://{address}:{port}", authority, token_file=str(folder / "token"))


def from_kubeconfig(value: Mapping[str, Any], where: str, run: Run | None = None) -> Access:
    """Read what `kubectl config view --raw --minify --flatten -o json` prints: one context, with all files in it.

    `run` runs login programs, where kubectl does. Raises NodeprovError for a user who has neither a certificate, a
    token nor such a program.
    """
    with placed(where), taking_json_apart():
        cluster, user = (value[kind][0][kind[:-1]] for kind in ("clusters", "users"))
        user = user or {}
        access = Access(
            _address(of_type(str, cluster["server"])),
            _pem(cluster, "certificate-authority-data"),
            cluster.get("tls-server-name", ""),
            _pem(user, "client-certificate-data"),
            _pem(user, "client-key-data"),
            _token(user.get("token") or ""),
            user.get("tokenFile", ""),
            cluster.get("insecure-skip-tls-verify", False),
            Login(user["exec"], cluster, run) if run and user.get("exec") else None,
        )
    if not (access.certificate or access.token or access.token_file or access.login):
        how = next((each for each in ("exec", "auth-provider", "username") if each in user), "nothing")
        raise NodeprovError(
            f"its user logs in by {how}, which nodeprov does not support here",
            "name a context with a certificate or a token: [cluster] context, such as one of a service account; "
            "kubectl create token makes a token",
            where=where,
        )
    return access


def _address(server: str) -> str:
    """Insist on the address of a server."""
    try:
        url = urlsplit(server)
        is_good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_good = False
    if not is_good or not server.isprintable() or " " in server:
        raise NodeprovError(f"its server {server!r} is not an address", "kubectl config view --minify")
    return server.rstrip("/")


def _token(token: Any) -> str:
    """Insist on what can be sent as a token; what it is instead is not shown."""
    if not (isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token):
        raise NodeprovError("its token is not a token", "make another one: kubectl create token")
    return token


@contextmanager
def _understood(whose: str) -> Iterator[None]:
    """Raise NodeprovError where certificates are none; they are not shown."""
    try:
        yield
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or "it is not as PEM writes it"
        said = f"the certificate of its {whose} is not understood: {why}"
        raise NodeprovError(said, "kubectl get nodes") from None


def _pem(table: Mapping[str, Any], key: str) -> str:
    return base64.b64decode(table.get(key, "")).decode()
