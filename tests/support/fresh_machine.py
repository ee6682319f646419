"""A fresh machine: a Debian with Python and little else, in a world of its own, where commands are typed as root.

It has its own mounts, processes, cgroups and network, so that a lab in it does not meet one that is up around it.
Its network reaches what this machine reaches (slirp4netns), and it uses the same registries and proxies. To save
half an hour it also has what Go has downloaded and built here, and the parts of this machine's labs, but for those
that are named.
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from nodeprov.hosts.base import Output
from nodeprov.hosts.local import run_checked, run_program, start_daemon
from nodeprov.local_files import cache_folder
from nodeprov.templates import render
from nodeprov_lab.cache import Cache
from nodeprov_lab.gobuild import find_go
from nodeprov_lab.isolated import isolated_argv
from nodeprov_lab.nspawn import cgroups
from nodeprov_lab.parts import Flavor, chosen_mirror, debian_root

FRESH = Flavor("debian-fresh", packages=("pipx", "slirp4netns"), base=())
"""pipx brings Python; slirp4netns is the machine's cable, and of no use in it."""

_SCRIPT = Path(__file__).with_name("fresh-machine.sh")
_NAMESPACES = ("--mount", "--net", "--pid", "--cgroup")
_LIKE_THIS_MACHINE = (
    "PIP_",
    "GOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
_CERTIFICATES = "/etc/ssl/certificates-of-the-host.pem"
_FILES = ("etc/resolv.conf", "etc/pip.conf", "root/.pip/pip.conf", "root/.config/pip/pip.conf")
_START_TIMEOUT_SECONDS = 60.0


def _environment() -> Mapping[str, str]:
    """Say what a login there has in its environment: of ours only how registries are reached."""
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith(_LIKE_THIS_MACHINE)}
    trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"), _CERTIFICATES)
    path = "/root/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**ours, **trust, "HOME": "/root", "PATH": path, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


class FreshMachine:
    """A machine that runs; it is made by `fresh_machine`."""

    def __init__(self, first_process: int, own_cgroups: Sequence[Path]) -> None:
        self._pid = first_process
        self._cgroups = own_cgroups

    def tries(self, line: str, *, stdin: str = "", timeout_seconds: int = 120) -> Output:
        """Have a command line typed, which may fail."""
        environment = [f"{name}={value}" for name, value in _environment().items()]
        argv = self.entering(["env", "-i", "--chdir=/root", *environment, "sh", "-c", line])
        return run_program(argv, stdin=stdin.encode(), timeout_seconds=timeout_seconds)

    def types(self, line: str, *, stdin: str = "", timeout_seconds: int = 120) -> str:
        """Have a command line typed, and return what it printed; it must succeed."""
        output = self.tries(line, stdin=stdin, timeout_seconds=timeout_seconds)
        assert output.returncode == 0, f"{line}: {output.said}"
        return output.text

    def entering(self, argv: Sequence[str], *, with_network: bool = True) -> list[str]:
        """Write the command that runs a program there."""
        ways = [way for way in _NAMESPACES if with_network or way != "--net"]
        enter = ["nsenter", f"--target={self._pid}", *ways, "--", *argv]
        return ["sh", "-c", render("lab/enter-cgroups.sh.j2", cgroups=self._cgroups, argv=enter)]

    def connect(self, log: Path) -> None:
        """Bring it to this machine's network: a program that stands in ours makes its packets connections."""
        cable = ["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "1", "tap0"]
        start_daemon(self.entering(cable, with_network=False), log)
        routes = Path(f"/proc/{self._pid}/net/route")
        _wait_for(lambda: "\ntap0\t00000000" in routes.read_text(), log)


@contextlib.contextmanager
def fresh_machine(
    folder: Path, files: Mapping[str, bytes], *, without: Sequence[str] = ()
) -> Iterator[FreshMachine]:
    """Start a machine that has these files, by their paths, until it is done with.

    It has the parts of this machine's labs but those whose name begins with one of `without`.
    """
    debian = debian_root(Cache(cache_folder() / "lab"), chosen_mirror(), lambda _event: None, FRESH)
    _write(folder / "layers" / "root" / "upper", {**_of_this_machine(), **files})
    (folder / "lab").mkdir()
    shared = [f"{path}={place}" for path, place in _shared().items()]
    own, log = cgroups.make_cgroups(f"{cgroups.ISOLATED_PREFIX}fresh-{os.getpid()}"), folder / "log"
    started = start_daemon(
        isolated_argv(folder / "lab", own, [str(_SCRIPT), str(debian), str(folder), *shared]), log
    )
    try:
        _wait_for((folder / "tmp" / "ready").exists, log)
        machine = FreshMachine(_first_process(started), own)
        machine.connect(log)
        for name in without:
            machine.types(f"rm -rf .cache/nodeprov/lab/{name}*")
        yield machine
    finally:
        os.kill(started, signal.SIGKILL)
        for each in own:
            cgroups.remove_cgroup(each)


def _first_process(started: int) -> int:
    """Find the first process of the namespaces that `unshare` has made, which is its only child."""
    return int(Path(f"/proc/{started}/task/{started}/children").read_text())


def _shared() -> Mapping[Path, str]:
    """Name the folders of this machine that the other one has too, and their places there."""
    go = find_go()
    assert go is not None
    said = run_checked(
        [str(go.program), "env", "GOMODCACHE", "GOCACHE"], "cannot ask go for its folders"
    ).splitlines()
    places = {Path(said[0]): "root/go/pkg/mod", Path(said[1]): "root/.cache/go-build"}
    places[cache_folder() / "lab"] = "root/.cache/nodeprov/lab"
    return {path: place for path, place in places.items() if path.is_dir()}


def _of_this_machine() -> Mapping[str, bytes]:
    found = {name: Path("/", name) for name in _FILES}
    bundle = ssl.get_default_verify_paths().cafile
    if bundle:
        found[_CERTIFICATES] = Path(bundle)
    files = {name: path.read_bytes() for name, path in found.items() if path.is_file()}
    return {**files, "etc/apt/apt.conf.d/sparing": b'APT::Install-Recommends "false";\n'}


def _write(root: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"the machine did not start: {log.read_text()}"
        time.sleep(0.05)
