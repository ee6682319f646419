"""Login programs of kubeconfigs, as client-go runs them: they print a token, or a certificate, for a while.

The protocol is ExecCredential v1 (https://kubernetes.io/docs/reference/config-api/client-authentication.v1).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nodeprov.errors import MALFORMED_JSON, NodeprovError, of_type

GROUP = "client.authentication.k8s.io"
VERSIONS = tuple(f"{GROUP}/{version}" for version in ("v1", "v1beta1"))
_KINDS = {"kind": "ExecCredential"}
_OF_CLUSTER = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")

Run = Callable[[Sequence[str], Mapping[str, str]], str]
"""Runs a program with variables besides those that are there, and returns what it prints; raises NodeprovError."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a login program has given: a token, or a certificate and its key, PEM; None never expires."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: datetime | None = None


class Login:
    """A login program: it is run when its credential is first needed, has expired, or was refused."""

    def __init__(
        self,
        said: Mapping[str, Any],
        cluster: Mapping[str, Any],
        run: Run,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read what a kubeconfig says of a user's `exec`, and of the cluster.

        Raises NodeprovError for a program that wants to ask somebody, and what malformed JSON raises.
        """
        self._command = [of_type(str, said["command"]), *(of_type(str, each) for each in said.get("args") or ())]
        self._version, self._hint = of_type(str, said["apiVersion"]), said.get("installHint", "")
        if self._version not in VERSIONS or said.get("interactiveMode") == "Always":
            what = "wants a terminal" if self._version in VERSIONS else f"speaks {self._version}"
            raise NodeprovError(
                f"the login program {self._command[0]} {what}, which nodeprov does not do",
                f"name a context with a program that speaks {VERSIONS[0]} and asks nothing: [cluster] context",
            )
        spec: dict[str, Any] = {"interactive": False}
        if said.get("provideClusterInfo"):
            spec["cluster"] = _about(cluster)
        info = json.dumps({**_KINDS, "apiVersion": self._version, "spec": spec})
        own = {of_type(str, each["name"]): of_type(str, each["value"]) for each in said.get("env") or ()}
        self._environment = {**own, "KUBERNETES_EXEC_INFO": info}
        self._run, self._now = run, now
        self._changing = threading.Lock()
        self._credential: Credential | None = None

    def credential(self) -> Credential:
        """Return what counts now; raise NodeprovError where the program does not give any."""
        with self._changing:
            found = self._credential
            if found is None or (found.expires is not None and found.expires <= self._now()):
                found = self._credential = self._asked()
            return found

    def refuse(self, token: str) -> None:
        """Take it that the server does not accept a token; it is forgotten unless it is another one by now."""
        with self._changing:
            if self._credential is not None and self._credential.token == token:
                self._credential = None

    def _asked(self) -> Credential:
        where = f"the login program {self._command[0]}"
        try:
            text = self._run(self._command, self._environment)
        except NodeprovError as error:
            hint = self._hint or "run it by itself: what does it say? kubectl get nodes runs it too"
            raise NodeprovError(error.message, hint, where=where) from None
        try:
            return _read(json.loads(text), self._version)
        except MALFORMED_JSON as error:  # what it printed is a secret
            said = f"what it prints is no ExecCredential: {type(error).__name__}"
            raise NodeprovError(said, "kubectl get nodes", where=where) from None


def _read(value: Mapping[str, Any], version: str) -> Credential:
    if (value["kind"], value["apiVersion"]) != (_KINDS["kind"], version):
        raise ValueError("another kind or version")
    status = value["status"]
    names = ("token", "clientCertificateData", "clientKeyData")
    token, certificate, key = (of_type(str, status.get(name) or "") for name in names)
    if (
        not (token or certificate)
        or bool(certificate) != bool(key)
        or not (token.isascii() and token.isprintable())
    ):
        raise ValueError("neither a token nor a certificate with its key")
    expires = status.get("expirationTimestamp")
    return Credential(
        token, certificate, key, datetime.fromisoformat(expires).astimezone(UTC) if expires else None
    )


def _about(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a program that asks for it which cluster it is."""
    found = {key: cluster[key] for key in _OF_CLUSTER if cluster.get(key)}
    extensions = {each["name"]: each["extension"] for each in cluster.get("extensions") or ()}
    config = extensions.get(f"{GROUP}/exec")
    return {**found, **({"config": config} if config is not None else {})}
