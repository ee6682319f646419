"""The API of a cluster: requests that are sent again where that helps, and errors that say what to do."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import quote, urlencode

from nodeprov import __version__
from nodeprov.dispatch.access import Access
from nodeprov.errors import MALFORMED, NodeprovError, said_by_system

Object = dict[str, Any]
"""An object of the API, as JSON has it."""
Patch = Literal["json-patch", "merge-patch", "strategic-merge-patch", "apply-patch"]
PAGE = 500
"""How many objects a list has at a time, as kubectl asks for."""
TIMEOUT_SECONDS = 30.0
PATIENCE_SECONDS = 120.0
"""For how long a request is sent again."""
TOO_BUSY = (429, 503)
"""What a server answers that wants to be asked later (RFC 9110, 10.2.3 Retry-After)."""
ILL = (500, 502, 504)
"""What a server answers whose etcd is looking for a leader, or a proxy that does not reach the server."""
_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)
_LONGEST_PAUSE = 15.0
CUT = (OSError, http.client.HTTPException)
"""What is raised where a connection cannot be made, or ends too early."""
_HINTS = {
    401: "does the kubeconfig, or the service account, still count? kubectl auth whoami",
    403: "give the identity this right: nodeprov cluster install writes the roles; kubectl auth can-i --list",
    404: "nodeprov cluster status",
    409: "another one has changed it meanwhile; run it again",
    422: "is the cluster too old for it? kubectl version",
}


class ApiError(NodeprovError):
    """The API server has refused a request.

    Attributes:
        status: of HTTP.
        reason: a word for programs, such as AlreadyExists (k8s.io/apimachinery: meta/v1, StatusReason).
        after_seconds: when the server wants to be asked again; 0 where it has not said it.
    """

    def __init__(
        self, message: str, hint: str, *, where: str, status: int, reason: str, after_seconds: float = 0.0
    ) -> None:
        super().__init__(message, hint, where=where)
        self.status, self.reason, self.after_seconds = status, reason, after_seconds


def unless_stopped(stop: threading.Event) -> None:
    """Raise NodeprovError if it is stopped."""
    if stop.is_set():
        raise NodeprovError("interrupted", "what was begun goes on in the cluster")


def sleeping_until(stop: threading.Event) -> Callable[[float], None]:
    """Return what waits for so many seconds, and raises NodeprovError as soon as it is stopped."""

    def sleep(seconds: float) -> None:
        stop.wait(seconds)
        unless_stopped(stop)

    return sleep


class Api:
    """The API server of a cluster; for use by several threads, each of which gets a connection.

    Attributes:
        calls: how many requests were answered, by verb and status.
    """

    def __init__(
        self,
        access: Access,
        *,
        sleep: Callable[[float], None] = time.sleep,
        before_write: Callable[[], None] = lambda: None,
        patience_seconds: float = PATIENCE_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Connect to nothing yet.

        Args:
            access: how the server is reached.
            sleep: waits for so many seconds; it may raise.
            before_write: called before each attempt to change something; it may raise, and nothing is sent.
            patience_seconds: for how long a request is sent again that was not answered, or with "later".
            timeout_seconds: how long an answer may take.
        """
        self.access = access
        self.calls: Counter[tuple[str, int]] = Counter()
        self._sleep, self._before_write = sleep, before_write
        self._patience, self._timeout = patience_seconds, timeout_seconds
        self._given = access.given_certificate()
        self._tls = access.tls()
        self._idle: list[http.client.HTTPConnection] = []
        self._changing = threading.Lock()

    def get(self, path: str, **parameters: str) -> Object:
        """Get an object; raise ApiError if there is none."""
        return self._call("GET", path, parameters)

    def find(self, path: str) -> Object | None:
        """Get an object, or None if there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def pages(self, path: str, **parameters: str) -> Iterator[Object]:
        """List objects, some at a time; each page has the `metadata` of the list.

        Raises ApiError with the reason Expired where it takes so long that the server forgets what it began with.
        """
        more = ""
        while True:
            page = self.get(path, **parameters, limit=str(PAGE), **({"continue": more} if more else {}))
            yield page
            more = page["metadata"].get("continue", "")
            if not more:
                return

    def create(self, path: str, value: Object, **parameters: str) -> Object:
        """Make an object in a collection; raise ApiError with the reason AlreadyExists where there is one."""
        return self._call("POST", path, parameters, value)

    def attempt(self, path: str, value: Object) -> Object:
        """Make an object as `create` does, but ask once only: who calls asks again, or not.

        Raises ApiError, with `after_seconds` where the server has named a time.
        """
        return self._call("POST", path, {}, value, is_patient=False)

    def patch(self, path: str, value: Any, kind: Patch = "merge-patch", **parameters: str) -> Object:
        """Change an object; a JSON patch whose `test` fails raises ApiError with the reason Invalid."""
        suffix = "yaml" if kind == "apply-patch" else "json"
        return self._call("PATCH", path, parameters, value, f"application/{kind}+{suffix}")

    def replace(self, path: str, value: Object) -> Object:
        """Write a whole object; its resourceVersion guards what others have changed meanwhile."""
        return self._call("PUT", path, {}, value)

    def delete(self, path: str, *, uid: str = "", **options: Any) -> bool:
        """Delete an object, if it is there; `uid` is the one that is meant. Tell whether it was there."""
        wanted = {**options, "preconditions": {"uid": uid}} if uid else dict(options)
        try:
            self._call("DELETE", path, {}, {"kind": "DeleteOptions", "apiVersion": "v1", **wanted})
        except ApiError as error:
            if error.status == 404 or (uid and error.status == 409):
                return False
            raise
        return True

    @contextmanager
    def stream(self, path: str, parameters: Mapping[str, str], quiet_seconds: float) -> Iterator[Iterator[bytes]]:
        """Ask for what comes line by line, on a connection of its own, such as a watch.

        It ends where the server ends it, and where nothing has come for `quiet_seconds`. Raises ApiError.
        """
        connection = self._connected(quiet_seconds)
        try:
            answer = self._sent(connection, "GET", _target(path, parameters), None, "")
            if answer.status != 200:
                raise self._refused("GET", path, answer.status, answer.read())
            self.calls["GET", answer.status] += 1
            yield _lines(answer)
        finally:
            connection.close()

    def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        value: Any = None,
        content_type: str = "application/json",
        *,
        is_patient: bool = True,
    ) -> Object:
        """Send a request until it is answered; what it asks for may have been done although no answer came."""
        body = None if value is None else json.dumps(value, separators=(",", ":")).encode()
        began, attempt, has_new_token = time.monotonic(), 0, False
        while True:
            if method != "GET":
                self._before_write()
            status, content, after = self._answer(method, _target(path, parameters), body, content_type)
            if 200 <= status < 300:
                return self._understood(content, method, path)
            is_denied = status == 401 and not has_new_token
            is_first_denial = is_denied and self.access.may_be_renewed(self.access.current_token())
            if is_first_denial:
                has_new_token = True
                self._close_idle()  # they have the old certificate, if that was it
            again = (is_patient and status in (0, *TOO_BUSY, *ILL)) or is_first_denial
            pause = min(after or _PAUSES[min(attempt, len(_PAUSES) - 1)], _LONGEST_PAUSE)
            if not again or time.monotonic() + pause - began > self._patience:
                raise self._refused(method, path, status, content, after)
            attempt += 1
            self._sleep(pause)

    def _answer(self, method: str, target: str, body: bytes | None, content_type: str) -> tuple[int, bytes, float]:
        """Send a request once: the status, the content and the seconds to wait; status 0 if no answer came."""
        with self._changing:
            connection = self._idle.pop() if self._idle else None
        is_fresh = connection is None
        try:
            connection = connection or self._connected(self._timeout)
            answer = self._sent(connection, method, target, body, content_type)
            content = answer.read()
        except ssl.SSLCertVerificationError as error:  # it will not be another one by itself
            said = f"its certificate is not believed: {error.verify_message}"
            hint = "compare the authority of the kubeconfig, or the ConfigMap kube-root-ca.crt, with the server's"
            raise ApiError(said, hint, where=self.access.server, status=0, reason="") from None
        except CUT as error:
            if connection:
                connection.close()
            self.calls[method, 0] += 1
            if not is_fresh:  # the server has closed it while nobody used it
                self._close_idle()
            return 0, said_by_system(error).encode(), 0.0
        self.calls[method, answer.status] += 1
        if answer.will_close:
            connection.close()
        else:
            with self._changing:
                self._idle.append(connection)
        return answer.status, content, _seconds(answer.getheader("Retry-After", ""))

    def _connected(self, timeout_seconds: float) -> http.client.HTTPConnection:
        url = self.access.url
        host, port = url.hostname or "", url.port
        connection: http.client.HTTPConnection
        self._renew_certificate()
        if self._tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
            connection.connect()
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=self._tls)
            http.client.HTTPConnection.connect(connection)
            name = self.access.server_name or host
            connection.sock = self._tls.wrap_socket(connection.sock, server_hostname=name)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _renew_certificate(self) -> None:
        """Take another certificate where a login program gives one."""
        given = self.access.given_certificate()
        with self._changing:
            if given != self._given:
                self._given, self._tls = given, self.access.tls()

    def _sent(
        self, connection: http.client.HTTPConnection, method: str, target: str, body: bytes | None, kind: str
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": f"nodeprov/{__version__}"}
        if body is not None:
            headers["Content-Type"] = kind
        if token := self.access.current_token():
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, self.access.url.path + target, body, headers)
        return connection.getresponse()

    def _close_idle(self) -> None:
        with self._changing:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def close(self) -> None:
        """Close what connections there are."""
        self._close_idle()

    def _understood(self, content: bytes, method: str, path: str) -> Object:
        try:
            value = json.loads(content)
        except MALFORMED:
            value = None
        if isinstance(value, dict):
            return value
        raise NodeprovError(
            f"{method} {path}: the answer is not a JSON object: {content[:60]!r}",
            "is that the API server of a cluster? kubectl cluster-info",
            where=self.access.server,
        )

    def _refused(
        self, method: str, path: str, status: int, content: bytes, after_seconds: float = 0.0
    ) -> ApiError:
        said, reason = _said(content)
        if status == 0:
            message = f"it does not answer: {said or 'the connection was cut'}"
            hint = "is it the right address, and does the API server run? kubectl get --raw /readyz"
            return ApiError(message, hint, where=self.access.server, status=0, reason="")
        if not reason:  # a proxy's own page often does not say it
            name = f"{status} {http.client.responses.get(status, '')}".strip()
            said = f"{name}: {said}" if said else name
        message = f"{method} {path}: {said}"
        hint = _HINTS.get(status, "kubectl get --raw /readyz?verbose")
        if "being terminated" in said:
            hint = "wait until that is gone, then run it again: kubectl get namespaces"
        if "ValidatingAdmissionPolicy" in said:
            hint = (
                "which policy? kubectl get validatingadmissionpolicies; nodeprov cluster install writes nodeprov's"
            )
        where = self.access.server
        return ApiError(message, hint, where=where, status=status, reason=reason, after_seconds=after_seconds)


def _target(path: str, parameters: Mapping[str, str]) -> str:
    query = urlencode(parameters, quote_via=quote)
    return f"{path}?{query}" if query else path


def _said(content: bytes) -> tuple[str, str]:
    """Read the message and the reason of a Status, or what else a proxy has answered."""
    text = content.decode(errors="replace")
    try:
        value = json.loads(text)
        return str(value["message"]), str(value.get("reason", ""))
    except (*MALFORMED, TypeError, AttributeError):
        return " ".join(text.split())[:200], ""


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0  # a date, which Kubernetes never writes


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while line := answer.readline():
            yield line
    except CUT:
        return  # what has not come is asked for again
