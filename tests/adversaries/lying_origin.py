"""Origins that lie: what each of them does, on loopback, and the words with which it is refused."""

from __future__ import annotations

import bz2
import contextlib
import datetime
import gzip
import ipaddress
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nodeprov.releases.pace import Limits
from tests.adversaries.hostile_archives import HOSTILE
from tests.support.release_server import (
    NOT_FOUND,
    Fault,
    Handler,
    ReleaseServer,
    archived,
    cut,
    loose,
    program,
    runsc,
    status,
    sum_line,
    tar,
    tar_of,
    tree,
    with_sum,
    zstd,
)

VERSION, OTHER = "20260905.0", "20260518.0"
FOLDER = f"/release/{VERSION}/x86_64/"
ARCHIVE = FOLDER + "gvisor.tar.zstd"
SUM = ARCHIVE + ".sha512"
SHIM = "containerd-shim-runsc-v1"
ALWAYS = 1000
GIGABYTE = 1 << 30
# A second is a long time on loopback, also for a machine that is busy: it is the least that is waited.
LIMITS = Limits(seconds=60, bytes_per_second=1000, rate_seconds=1, largest_bytes=8 << 20, backoff_seconds=0)
HURRY = Limits(seconds=2, bytes_per_second=0, rate_seconds=30, largest_bytes=8 << 20, backoff_seconds=0)


@dataclass(frozen=True)
class Lie:
    """What an origin does wrong, and the beginning of what is said to it."""

    tell: Callable[[ReleaseServer], None]
    said: str
    limits: Limits = LIMITS
    version: str = VERSION


def publishing(files: Mapping[str, bytes], version: str = VERSION) -> Callable[[ReleaseServer], None]:
    """Serve these in the place of the release."""

    def tell(server: ReleaseServer) -> None:
        for path in [path for path in server.files if path.startswith(f"/release/{version}/")]:
            del server.files[path]
        server.publish(version, files)

    return tell


def misbehaving(path: str, fault: Fault) -> Callable[[ReleaseServer], None]:
    """Do something wrong whenever a file is asked for."""

    def tell(server: ReleaseServer) -> None:
        server.faults[path] = [fault] * ALWAYS

    return tell


def altered(**files: bytes) -> Callable[[ReleaseServer], None]:
    """Serve a well-made archive in which some files are others."""
    named = {
        name.replace("SHIM", SHIM).replace("SENTRY", "gvisor-bin/gvisor_sentry"): it for name, it in files.items()
    }
    return publishing(archived(VERSION, files=tree(VERSION) | named))


def saying(headers: Iterable[tuple[str, str]], body: Iterable[bytes], code: int = 200) -> Fault:
    """Answer with headers and a body as they are, and hang up; the body may have no end."""

    def fault(handler: Handler, _content: bytes) -> None:
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        with contextlib.suppress(OSError):
            for chunk in body:
                handler.wfile.write(chunk)

    return fault


@dataclass(frozen=True)
class Dripping:
    """Single bytes, with a pause after each; at most a minute of them."""

    content: bytes
    seconds: float

    def __iter__(self):  # type: ignore[no-untyped-def]
        began = time.monotonic()
        for byte in self.content:
            if time.monotonic() - began > 60:
                return
            yield bytes([byte])
            time.sleep(self.seconds)


@dataclass(frozen=True)
class Much:
    """So many gigabytes of nothing, which are never held."""

    gigabytes: int

    def __iter__(self):  # type: ignore[no-untyped-def]
        megabyte = bytes(1 << 20)
        for _ in range(self.gigabytes << 10):
            yield megabyte


def dripping_headers(handler: Handler, _content: bytes) -> None:
    with contextlib.suppress(OSError):
        for chunk in Dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, 0.05):
            handler.wfile.write(chunk)
            handler.wfile.flush()
    handler.close_connection = True


def silent(handler: Handler, _content: bytes) -> None:
    time.sleep(5)
    handler.close_connection = True


def ever_further(handler: Handler, _content: bytes) -> None:
    """Redirect to another address each time."""
    server = handler.server
    path = f"/further/{len(server.requests)}"
    server.faults[path] = [ever_further]
    handler.answer(302, b"", {"Location": path})


XML = NOT_FOUND
ZSTD = archived(VERSION)["gvisor.tar.zstd"]
PAGE = with_sum("gvisor.tar.zstd", XML)

LIES: Mapping[str, Lie] = {
    # Pages and lengths
    "a page of 404 with status 200, for the sum": Lie(
        misbehaving(SUM, saying([("Content-Length", str(len(XML)))], [XML])), "this is not a line of sha512sum"
    ),
    "a page of 404 with status 200, for the archive": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", str(len(XML)))], [XML])), "the file has the sha512"
    ),
    "a page of 404 with status 200, with its own sum": Lie(publishing(PAGE), "the archive is damaged"),
    "a page of 404 with status 200, for the shim": Lie(
        publishing(loose(VERSION) | with_sum(SHIM, XML)), f"{SHIM} is not an ELF program"
    ),
    "a body that always breaks off": Lie(misbehaving(ARCHIVE, cut(0)), "the connection broke"),
    "a body that is shorter, with its own length": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", "100")], [ZSTD[:100]])), "the file has the sha512"
    ),
    "a length that is too small": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", "100")], [ZSTD])), "the file has the sha512"
    ),
    "a length that is too large": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", str(len(ZSTD) + 9))], [ZSTD])), "the connection"
    ),
    "a length below 0": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", "-5")], [ZSTD[:-5]])), "the file has the sha512"
    ),
    "a length of 5000 digits": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", "9" * 5000)], [ZSTD[:-5]])), "the file has the sha512"
    ),
    "two lengths": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", "5"), ("Content-Length", "6")], [ZSTD])),
        "its answer is not understood",
    ),
    "chunks that are none": Lie(
        misbehaving(ARCHIVE, saying([("Transfer-Encoding", "chunked")], [b"zz\r\n" + ZSTD])), "the connection"
    ),
    "a range of 5000 digits": Lie(
        misbehaving(ARCHIVE, saying([("Content-Range", f"bytes {'9' * 5000}-")], [ZSTD], 206)),
        "the server answers with another range",
    ),
    "200 headers": Lie(
        misbehaving(SUM, saying([(f"X-{number}", "y") for number in range(200)], [XML])), "the connection failed"
    ),
    "a header of 100 KB": Lie(misbehaving(SUM, saying([("X", "y" * 100_000)], [XML])), "the connection failed"),
    # Digests
    "a wrong digest": Lie(
        publishing(archived(VERSION) | {"gvisor.tar.zstd.sha512": sum_line("gvisor.tar.zstd", b"x")}),
        "the file has the sha512",
    ),
    "the digest of another file, by its name": Lie(
        publishing(archived(VERSION) | {"gvisor.tar.zstd.sha512": sum_line("gvisor.tar.bz2", ZSTD)}),
        "the sum is that of 'gvisor.tar.bz2'",
    ),
    "the digest of another file, under this one's name": Lie(
        publishing(
            archived(VERSION) | {"gvisor.tar.zstd.sha512": sum_line("gvisor.tar.zstd", bz2.compress(ZSTD))}
        ),
        "the file has the sha512",
    ),
    "a sum of a name with terminal escapes": Lie(
        publishing({"gvisor.tar.zstd.sha512": b"a" * 128 + b"  \x1b[2J\xff\x07\n"}), "the sum is that of"
    ),
    "a sum that is compressed, and swells": Lie(
        misbehaving(SUM, saying([("Content-Encoding", "gzip")], [gzip.compress(bytes(64 << 20))])),
        "this is not a line of sha512sum",
    ),
    # Redirects
    "a redirect to itself": Lie(misbehaving(ARCHIVE, status(302, Location=ARCHIVE)), "it redirects more than"),
    "a redirect ever further": Lie(misbehaving(ARCHIVE, ever_further), "it redirects more than"),
    "a redirect of the sum to itself": Lie(misbehaving(SUM, status(308, Location=SUM)), "it redirects more than"),
    "a redirect to a file of this machine": Lie(
        misbehaving(SUM, status(302, Location="file:///etc/hostname")), "it redirects to 'file:///etc/hostname'"
    ),
    "a redirect to ftp": Lie(misbehaving(SUM, status(302, Location="ftp://127.0.0.1/x")), "it redirects to 'ftp:"),
    "a redirect to no address": Lie(
        misbehaving(SUM, status(302, Location="http://[::1")), "it redirects to 'http:"
    ),
    "a redirect to terminal escapes": Lie(
        misbehaving(SUM, status(302, Location="http://\x1b[2J\x07/x")), "it redirects to 'http:"
    ),
    "a redirect with a body of 10 GB": Lie(
        misbehaving(SUM, saying([("Location", SUM)], Much(10), 302)), "it redirects more than"
    ),
    # Too much, too slow
    "10 GB, and says so": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", str(10 * GIGABYTE))], Much(10))), "the file is larger than"
    ),
    "10 GB, and says nothing": Lie(misbehaving(ARCHIVE, saying([], Much(10))), "the file is larger than"),
    "10 GB for the sum": Lie(misbehaving(SUM, saying([], Much(10))), "this is not a line of sha512sum"),
    "a drip": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", str(len(ZSTD)))], Dripping(ZSTD, 0.05))), "it sends "
    ),
    "a drip, and patience with it": Lie(
        misbehaving(ARCHIVE, saying([("Content-Length", str(len(ZSTD)))], Dripping(ZSTD, 0.05))),
        "the release did not come within 2 s",
        HURRY,
    ),
    "a drip of the sum": Lie(
        misbehaving(SUM, saying([], Dripping(b"a" * 4096, 0.05))), "the release did not come within 2 s", HURRY
    ),
    "a drip in what frames a chunk": Lie(
        misbehaving(ARCHIVE, saying([("Transfer-Encoding", "chunked")], Dripping(b"5;" + b"a" * 60_000, 0.05))),
        "it sends ",
    ),
    "a drip of trailers": Lie(
        misbehaving(
            ARCHIVE,
            saying(
                [("Transfer-Encoding", "chunked")],
                chain([b"1\r\nx\r\n0\r\n"], Dripping(b"X: y\r\n" * 9000, 0.05)),
            ),
        ),
        "it sends ",
    ),
    "a drip of headers": Lie(misbehaving(SUM, dripping_headers), "the release did not come within 2 s", HURRY),
    "silence": Lie(misbehaving(SUM, silent), "the release did not come within 2 s", HURRY),
    # What is inside
    "programs of another architecture": Lie(
        publishing(archived(VERSION, "aarch64")), "runsc is for aarch64, the node is x86_64"
    ),
    "a shim of another architecture": Lie(
        altered(SHIM=program("aarch64")), f"{SHIM} is for aarch64, the node is x86_64"
    ),
    "a sidecar of another architecture": Lie(
        altered(SENTRY=program("riscv64")), "gvisor-bin/gvisor_sentry is for another processor (ELF machine 243)"
    ),
    "another release": Lie(publishing(archived(OTHER)), f"asked for {VERSION}, it serves a runsc of {OTHER}"),
    "a release whose name begins alike": Lie(
        publishing(archived("20260905.01")), f"asked for {VERSION}, it serves a runsc of 20260905.01"
    ),
    "a shim of another release": Lie(
        altered(SHIM=runsc(OTHER)), f"asked for {VERSION}, it serves a {SHIM} of {OTHER}"
    ),
    "a sidecar of another release": Lie(
        altered(SENTRY=runsc(OTHER)), f"asked for {VERSION}, it serves a gvisor-bin/gvisor_sentry of {OTHER}"
    ),
    "a latest with a sidecar of another release": Lie(
        publishing(archived(VERSION, files=tree(VERSION) | {"gvisor-bin/gvisor_sentry": runsc(OTHER)}), "latest"),
        "",
        version="latest",
    ),
    "an archive without runsc": Lie(
        publishing(archived(VERSION, files={SHIM: program()})), "the release has no runsc"
    ),
    **{
        f"an archive with {name}": Lie(publishing(with_sum("gvisor.tar.zstd", zstd(tar(members)))), "")
        for name, members in HOSTILE.items()
        if not name.startswith("too ")
    },
    "a bz2 with a parent path": Lie(
        publishing(with_sum("gvisor.tar.bz2", bz2.compress(tar_of({"../x": b"x"})))), "'../x' is outside"
    ),
}


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for loopback; return what a server needs, and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, pem
