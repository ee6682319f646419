"""Where releases come from: a web server, or a folder of this machine behind an air gap."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.client import IncompleteRead
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import unquote, urljoin, urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter

from nodeprov.errors import NodeprovError, said_by_system
from nodeprov.releases.pace import Limits, Pace

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0
ATTEMPTS = 5
LONGEST_BACKOFF_SECONDS = 8.0
LARGEST_TEXT_BYTES = 4096
MOST_REDIRECTS = 5

RETRY_HINT = "run it again: the download continues from the part that arrived"

_ANSWERS = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_OVERLOADED = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "it asks for a login: put one for this host into ~/.netrc",
    HTTPStatus.FORBIDDEN: "a bucket that may not be listed answers so for what it does not have: look whether "
    "the release exists for this architecture, then at base_url and your right to read it",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "put the proxy's user and password into HTTPS_PROXY",
}
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationParseError,
)
_NO_ANSWER = (requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader, urllib3.exceptions.DecodeError)
_ADDRESS_HINT = "look at base_url, and at HTTPS_PROXY and NO_PROXY if there is a proxy"


class Absent(NodeprovError):
    """The origin does not have the file."""


class Denied(NodeprovError):
    """The server answered 401 or 403: the file may be absent, or only not for us."""


class Passing(NodeprovError):
    """A failure that may be gone when one tries again."""


class Origin:
    """A server or folder, and the connection to it; proxies and certificates are those of the environment."""

    def __init__(self, base_url: str, limits: Limits) -> None:
        """Prepare to ask; nothing is fetched yet, and the time begins to run.

        Args:
            base_url: http://, https:// or file://, without a slash at its end.
            limits: how slow it may be, and how large its files.
        """
        self._base_url = base_url
        self.limits = limits
        self.pace = Pace(limits)
        self._session = OwnRedirects()
        self._session.mount("file://", _Folder())
        self.wait = tenacity.wait_exponential(multiplier=limits.backoff_seconds, max=LONGEST_BACKOFF_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._session.close()

    def url(self, path: str) -> str:
        """Give the address of a file."""
        return f"{self._base_url}/{path}"

    def text(self, path: str, *, most_bytes: int = LARGEST_TEXT_BYTES) -> str | None:
        """Fetch a small file, at most so many bytes of it; `None` if the origin does not have it.

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
            return retrying(self._text, path, most_bytes)
        except Absent:
            return None

    @contextmanager
    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """Ask for a file, once; its bytes are read from the answer's `raw`.

        Raises:
            Absent: 404 or 410.
            Denied: 401 or 403.
            Passing: 429, 5xx, or no connection, also in the midst of reading.
            NodeprovError: any other answer than 200, 206 or 416; a redirect away from TLS, or one too many; the
                time is over.
        """
        try:
            with self._answer(self.url(path), headers or {}) as response:
                _check(response)
                self.pace.begin()
                with self.pace.watched(partial(_hang_up, response)):
                    yield response
        except NodeprovError as error:
            raise error.at(self.url(path)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise explain(error).at(self.url(path)) from error
        except OSError as error:
            if error.errno is not None:  # the disk's, of whoever reads the answer
                raise
            raise NodeprovError(str(error), "look at REQUESTS_CA_BUNDLE", where=self.url(path)) from error

    def _answer(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Ask, and follow redirects, whose bodies are not read."""
        for _ in range(MOST_REDIRECTS + 1):
            response = self.pace.in_time(partial(self._ask, url, headers))
            target = response.headers["Location"] if response.is_redirect else ""
            if not target:
                return response
            response.close()
            url = _redirect_target(url, target)
        raise NodeprovError(f"it redirects more than {MOST_REDIRECTS} times, at last to {url}", "look at base_url")

    def _ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        return self._session.get(
            url,
            # A digest is of the file as it is stored, not of a recompressed one.
            headers={"Accept-Encoding": "identity", **headers},
            stream=True,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        )

    def _text(self, path: str, most_bytes: int) -> str:
        content = b""
        with self.get(path) as response:
            while len(content) < most_bytes and (
                more := response.raw.read1(most_bytes - len(content), decode_content=True)
            ):
                content += more
                self.pace.arrived(len(more))
            return content.decode(errors="backslashreplace")


class OwnRedirects(requests.Session):
    """Leaves redirects to us: requests would read the body of each into memory, however large it is."""

    def get_redirect_target(self, _response: requests.Response) -> str | None:
        """Follow none."""
        return None


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


def _redirect_target(url: str, target: str) -> str:
    """Find where a redirect leads: never away from TLS, and never to a file of this machine."""
    try:
        found = urljoin(url, target)
        scheme, host = urlsplit(found).scheme, urlsplit(found).hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in ("http", "https") or not host:
        raise NodeprovError(
            f"it redirects to {target[:200]!r}, which is not the address of a web server", "look at base_url"
        )
    if scheme == "http" and url.startswith("https:"):
        raise NodeprovError(f"it redirects to {host}, without TLS", "look at base_url")
    return found


def _hang_up(response: requests.Response) -> None:
    with suppress(ValueError, RuntimeError, OSError):  # it is a file, or has come to its end meanwhile
        response.raw.shutdown()


def _check(response: requests.Response) -> None:
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


def explain(error: Exception, look: str = _ADDRESS_HINT) -> NodeprovError:
    """Say what went wrong with a connection; `look` is the hint where the address may be wrong."""
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    said = said_by_system(cause)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = "for a certificate authority of your own, set REQUESTS_CA_BUNDLE=/path/to/ca.pem"
        return NodeprovError("its certificate is not trusted", hint)
    if isinstance(error, _NO_ADDRESS):
        # Its own text may hold the proxy's password.
        return NodeprovError("this is not an address", "look at base_url, and at HTTPS_PROXY")
    if isinstance(error, _NO_ANSWER) or isinstance(cause, _NO_ANSWER):
        return NodeprovError(f"its answer is not understood: {said}", look)
    if isinstance(cause, IncompleteRead):
        return Passing(f"the connection broke, {cause.expected} bytes are missing", RETRY_HINT)
    said = said[:1].lower() + said[1:] if said[1:2].islower() else said  # an abbreviation stays one
    return Passing(f"the connection failed: {said}", f"{look}; then {RETRY_HINT}")
