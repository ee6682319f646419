"""Where releases come from: a web server, or a folder of this machine behind an air gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import IncompleteRead
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from nodeprov.errors import NodeprovError

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
ATTEMPTS = 5
LONGEST_BACKOFF_SECONDS = 8.0
LARGEST_TEXT_BYTES = 4096

RETRY_HINT = "run it again: what arrived is kept, and the download goes on where it ended"

_ANSWERS = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_OVERLOADED = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "it asks for a login: put one for this host into ~/.netrc",
    HTTPStatus.FORBIDDEN: "a bucket that may not be listed answers so for what it does not have: look whether "
    "the release exists for this architecture, then at base_url and your right to read it",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "put the proxy's user and password into HTTPS_PROXY",
}
_ADDRESS_HINT = "look at base_url, and at HTTPS_PROXY and NO_PROXY if there is a proxy"


class Absent(NodeprovError):
    """The origin does not have the file."""


class Denied(NodeprovError):
    """The server answered 401 or 403: the file may be absent, or only not for us."""


class Passing(NodeprovError):
    """A failure that may be gone when one tries again."""


class Origin:
    """A server or folder, and the connection to it; proxies and certificates are as the environment says."""

    def __init__(self, base_url: str, *, backoff_seconds: float) -> None:
        """Know an origin; nothing is fetched yet.

        Args:
            base_url: http://, https:// or file://, without a slash at its end.
            backoff_seconds: the wait before the second retry; it doubles with each.
        """
        self._base_url = base_url
        self._session = requests.Session()
        self._session.mount("file://", _Folder())
        self.wait = tenacity.wait_exponential(multiplier=backoff_seconds, max=LONGEST_BACKOFF_SECONDS)

    def __enter__(self) -> Origin:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._session.close()

    def url(self, path: str) -> str:
        """Give the address of a file."""
        return f"{self._base_url}/{path}"

    def text(self, path: str) -> str | None:
        """Fetch a small file, at most 4 KiB of it; `None` if the origin does not have it.

        Raises:
            Denied: the server answered 401 or 403.
            NodeprovError: the server cannot be reached, or answers with another error.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=self.wait,
            reraise=True,
        )
        try:
            return retrying(self._text, path)
        except Absent:
            return None

    @contextmanager
    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """Ask for a file, once; its bytes are read from the answer's `raw`.

        Raises:
            Absent: 404 or 410.
            Denied: 401 or 403.
            Passing: 429, 5xx, or no connection, also in the midst of reading.
            NodeprovError: any other answer than 200, 206 or 416; a redirect away from TLS.
        """
        try:
            with self._session.get(
                self.url(path),
                # A digest is of the file as it is stored, not of a recompressed one.
                headers={"Accept-Encoding": "identity", **(headers or {})},
                stream=True,
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
            ) as response:
                _check(response)
                yield response
        except NodeprovError as error:
            raise error.at(self.url(path)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _explained(error).at(self.url(path)) from error
        except OSError as error:
            if error.errno is not None:  # the disk's, of whoever reads the answer
                raise
            raise NodeprovError(str(error), "look at REQUESTS_CA_BUNDLE", where=self.url(path)) from error

    def _text(self, path: str) -> str:
        with self.get(path) as response:
            content: bytes = response.raw.read(LARGEST_TEXT_BYTES, decode_content=True)
            return content.decode(errors="backslashreplace")


class _Folder(HTTPAdapter):
    """Answers for file:// as a web server would."""

    def send(self, request: requests.PreparedRequest, *_options: Any, **_more: Any) -> requests.Response:
        path = Path(unquote(urlsplit(request.url or "").path))
        body: BinaryIO = BytesIO()
        try:
            body, status = path.open("rb"), HTTPStatus.OK
        except PermissionError:
            status = HTTPStatus.FORBIDDEN
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            status = HTTPStatus.NOT_FOUND
        headers = {"Content-Length": str(path.stat().st_size)} if status == HTTPStatus.OK else {}
        answer = urllib3.HTTPResponse(body, headers, status, reason=status.phrase, preload_content=False)
        return self.build_response(request, answer)


def _check(response: requests.Response) -> None:
    hops = [*response.history, response]
    if hops[0].url.startswith("https:") and not all(hop.url.startswith("https:") for hop in hops):
        raise NodeprovError(f"it redirects to {urlsplit(response.url).hostname}, without TLS", "look at base_url")
    status = response.status_code
    if status in _ANSWERS:
        return
    said = f"{status} {response.reason or ''}".strip()
    if status in _ABSENT:
        raise Absent(said, "look at base_url, and whether the release exists for this architecture")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Denied(said, _HINTS[status])
    if status in _OVERLOADED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Passing(said, RETRY_HINT)
    raise NodeprovError(said, _HINTS.get(status, _ADDRESS_HINT))


def _explained(error: Exception) -> NodeprovError:
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    said = str(getattr(cause, "strerror", None) or cause)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = "for a certificate authority of your own, set REQUESTS_CA_BUNDLE=/path/to/ca.pem"
        return NodeprovError("its certificate is not trusted", hint)
    if isinstance(error, ValueError):  # requests' own, for an address that is none
        return NodeprovError(f"this is no address: {said}", "look at base_url")
    if isinstance(cause, IncompleteRead):
        return Passing(f"the connection broke, {cause.expected} bytes are missing", RETRY_HINT)
    return Passing(f"the connection failed: {said.lower()}", f"{_ADDRESS_HINT}; then {RETRY_HINT}")
