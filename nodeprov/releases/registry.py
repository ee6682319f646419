"""A registry of images, to which is pushed: https://github.com/opencontainers/distribution-spec (version 1.1)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import tenacity
import urllib3
from requests.auth import AuthBase

from nodeprov.errors import MALFORMED_JSON, NodeprovError, UsageError
from nodeprov.releases.origin import (
    ATTEMPTS,
    CONNECT_TIMEOUT_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    READ_TIMEOUT_SECONDS,
    OwnRedirects,
    Passing,
    explain,
)

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PLACE = re.compile(
    rf"(?P<host>[A-Za-z0-9.-]+(?::[0-9]{{1,5}})?|\[[0-9a-f:]+\](?::[0-9]{{1,5}})?)/(?P<name>{_PART}(?:/{_PART})*)"
)
_CHALLENGE = re.compile(r'([a-z_]+)="([^"]*)"')
_LOOK = "look at REGISTRY/REPO, and at HTTPS_PROXY and NO_PROXY if there is a proxy"
_LOGIN = 'docker login, or write the login into ~/.docker/config.json: {"auths": {"REGISTRY": {"auth": BASE64}}}'
_AGAIN = "run it again: what is there already is not sent again"
_OVERLOADED = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

Body = Callable[[], AbstractContextManager[BinaryIO | bytes]]
"""Opens what is sent, anew for each attempt."""


@dataclass(frozen=True, slots=True)
class Place:
    """A repository of a registry."""

    host: str
    name: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read HOST[:PORT]/NAME; raise UsageError if it is none."""
        match = _PLACE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not a repository of a registry",
                "write it as registry.example.com:5000/mirror/runtime, no tag",
            )
        return cls(match["host"], match["name"])


def login_of(host: str, folder: Path) -> str:
    """Return the login for a registry out of docker's config.json, as the text behind `Basic`, or "".

    Raises UsageError if the file cannot be read, or names a program that keeps the login, which is not run.
    """
    path = folder / "config.json"
    try:
        value = json.loads(path.read_bytes())
        login = value.get("auths", {}).get(host, {}).get("auth", "")
        user = base64.b64decode(login, validate=True).decode()
        helper = value.get("credHelpers", {}).get(host) or value.get("credsStore", "")
    except FileNotFoundError:
        return ""
    except (OSError, *MALFORMED_JSON) as error:
        raise UsageError(f"{path} is not understood: {error}", "look at it; docker login writes it anew") from None
    if not login and helper and host in value.get("auths", {}):
        raise UsageError(
            f"docker-credential-{helper} has the login for {host} ({path}), and nodeprov runs no such program",
            _LOGIN,
        )
    if login and ":" not in user:
        raise UsageError(f"the login for {host} in {path} is no USER:PASSWORD", _LOGIN)
    return str(login)


class _Header(AuthBase):
    """An Authorization header; given always, so that nobody takes one from ~/.netrc instead."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.text:
            request.headers["Authorization"] = self.text
        return request


class Registry:
    """A repository, and the connection to its registry; proxies and certificates are those of the environment."""

    def __init__(
        self, place: Place, login: str = "", *, plain_http: bool = False, backoff_seconds: float = 0.5
    ) -> None:
        """Prepare to push; nothing is asked yet.

        Args:
            place: where to.
            login: USER:PASSWORD in base64, or "".
            plain_http: whether it is spoken to without TLS.
            backoff_seconds: the wait before the second retry; it doubles with each.
        """
        self._base = f"{'http' if plain_http else 'https'}://{place.host}/v2/{place.name}/"
        self._login, self._authorization = login, ""
        self._session = OwnRedirects()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=backoff_seconds, max=LONGEST_BACKOFF_SECONDS),
            reraise=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._session.close()

    def push_blob(self, digest: str, body: Body) -> bool:
        """Have a blob there, by its SHA-256 digest in hex; return False if it was there already.

        Raises:
            NodeprovError: the registry cannot be reached, does not let us in, or does not take it.
        """
        pushed: bool = self._retrying(self._push_blob, f"sha256:{digest}", body)
        return pushed

    def push_manifest(self, reference: str, media_type: str, content: bytes) -> None:
        """Have a manifest or an index there, under its digest or a tag; raise NodeprovError as for a blob."""
        url = urljoin(self._base, f"manifests/{reference}")
        self._retrying(self._put, url, media_type, lambda: nullcontext(content))

    def _push_blob(self, digest: str, body: Body) -> bool:
        found = self._ask("HEAD", urljoin(self._base, f"blobs/{digest}"), absent_is_fine=True)
        if found.status_code != HTTPStatus.NOT_FOUND:
            return False
        begun = self._ask("POST", urljoin(self._base, "blobs/uploads/"), headers={"Content-Length": "0"})
        where = _joined(begun.url, begun.headers.get("Location", ""))
        if not where or urlsplit(where).scheme != urlsplit(self._base).scheme:
            raise NodeprovError("it does not say where to upload to", _LOOK, where=begun.url)
        separator = "&" if urlsplit(where).query else "?"
        self._put(f"{where}{separator}{urlencode({'digest': digest})}", "application/octet-stream", body)
        return True

    def _put(self, url: str, media_type: str, body: Body) -> None:
        self._ask("PUT", url, headers={"Content-Type": media_type}, body=body)

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = lambda: nullcontext(b""),
        absent_is_fine: bool = False,
    ) -> requests.Response:
        """Ask; where a login is asked for, log in, and ask once more."""
        response = self._once(method, url, headers or {}, body)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._log_in(response)
            response = self._once(method, url, headers or {}, body)
        status = response.status_code
        if status < HTTPStatus.MULTIPLE_CHOICES or (absent_is_fine and status == HTTPStatus.NOT_FOUND):
            return response
        if method == "HEAD" and status == HTTPStatus.TEMPORARY_REDIRECT:
            return response  # it has it, and its storage serves it (distribution: registry/storage/blobserver.go)
        said = f"{status} {response.reason or ''}{_errors(response)}"
        where = url.partition("?")[0]
        if response.is_redirect:  # nothing is sent to another place than the one that was named
            raise NodeprovError(
                f"{said}: it is at {response.headers['Location']}", f"name that place; {_LOOK}", where=where
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise NodeprovError(said, f"it does not let us push there: {_LOGIN}", where=where)
        if status in _OVERLOADED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Passing(said, _AGAIN, where=where)
        raise NodeprovError(said, _LOOK, where=where)

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body) -> requests.Response:
        is_its_own = urlsplit(url).netloc == urlsplit(self._base).netloc  # a login is for nobody else
        try:
            with body() as content:
                return self._session.request(
                    method,
                    url,
                    headers=dict(headers),
                    data=content or None,
                    auth=_Header(self._authorization if is_its_own else ""),
                    allow_redirects=False,
                    timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            found = explain(error, _LOOK)
            if isinstance(found, Passing):
                found.hint = f"{_LOOK}; then {_AGAIN}"
            if "WRONG_VERSION_NUMBER" in str(error):
                found = NodeprovError("it does not speak TLS", "if that is intended: --plain-http")
            raise found.at(url.partition("?")[0]) from error

    def _log_in(self, response: requests.Response) -> None:
        """Answer a challenge (RFC 9110, section 11.6.1): by the login itself, or by a token that it buys."""
        challenge = response.headers.get("WWW-Authenticate", "")
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic" and self._login:
            self._authorization = f"Basic {self._login}"
        elif kind.lower() == "bearer":
            self._authorization = f"Bearer {self._token(dict(_CHALLENGE.findall(rest)))}"

    def _token(self, challenge: Mapping[str, str]) -> str:
        """Fetch a token: https://distribution.github.io/distribution/spec/auth/token/."""
        realm, name = challenge.get("realm", ""), self._base.partition("/v2/")[2].strip("/")
        if not realm.startswith("https://") and not self._base.startswith("http:"):
            raise NodeprovError(
                f"it wants the login to be sent to {realm!r}, without TLS", _LOOK, where=self._base
            )
        asked = {"service": challenge.get("service", ""), "scope": f"repository:{name}:pull,push"}
        auth = _Header(f"Basic {self._login}" if self._login else "")
        try:
            response = self._session.get(
                realm, params=asked, auth=auth, timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
            )
            value: Any = response.json() if response.ok else {}
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise explain(error, _LOOK).at(realm) from error
        token = value.get("token") or value.get("access_token") if isinstance(value, dict) else None
        if not isinstance(token, str):
            said = f"it gives no token: {response.status_code} {response.reason or ''}{_errors(response)}"
            raise NodeprovError(said, _LOGIN, where=realm)
        return token


def _errors(response: requests.Response) -> str:
    """Say what a registry says of an error."""
    try:
        errors = response.json()["errors"]
        return "".join(f": {str(each.get('message') or each.get('code'))[:200]}" for each in errors[:1])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _joined(url: str, location: str) -> str:
    """Return where an answer leads to; "" where it does not say it, or it is no address."""
    try:
        where = urljoin(url, location)
        urlsplit(where)
    except ValueError:
        return ""
    return where if location else ""
