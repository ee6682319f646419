"""A release for aarch64, from its build to a node that qemu plays: as far as that goes, all of it is real.

The release is cross-compiled, its apt suite is signed, and its programs run. The node's containerd is played: no
sandbox is started, for which qemu would have to play the kernel too.
"""

from __future__ import annotations

import json
import shlex
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeprov.hosts.base import Output, plain
from nodeprov.hosts.local import LocalHost
from nodeprov.in_cluster import engine_image, release_image
from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import incoming_name
from nodeprov.in_cluster.result import NodeResult
from nodeprov.releases.container_image import Members
from nodeprov.releases.obtain import obtain
from nodeprov.releases.source import ReleaseSource
from nodeprov.runtimes import SOFTWARE
from nodeprov_lab.gvisor_releases import ARCHIVE_RELEASE, BASE_PATH
from nodeprov_lab.mirror import make_server
from tests.support import parts
from tests.support.command_line import at_home, said
from tests.support.parts import ARM, INTEL
from tests.support.played_node import HOME, INVENTORY, PlayedNode, played_node
from tests.support.sampling import by_turns
from tests.support.ssh_server import Manners, SshServer

pytestmark = by_turns
RELEASES = f"{HOME}/opt/releases"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of a mirror with both processors' releases."""
    return parts.releases_for_both_processors()


@pytest.fixture(scope="session")
def uname() -> Path:
    """A program for aarch64 that says so."""
    found = parts.uname_for_aarch64()
    if found is None:
        pytest.skip("this needs qemu's emulation of programs (apt-get install qemu-user-static)")
    return found


@dataclass
class Site:
    """An inventory with the emulated node, beside which nodeprov runs."""

    folder: Path
    node: PlayedNode

    def run(self, *arguments: str, status: int = 0) -> Output:
        output = at_home(self.folder, *arguments, timeout_seconds=600)
        assert output.returncode == status, output.text + said(output)
        return output


@pytest.fixture
def site(published: Path, uname: Path, tmp_path: Path) -> Iterator[Site]:
    with played_node(tmp_path, uname=uname) as node:
        server = SshServer(tmp_path, Manners(enter=node.enter))
        shutil.copy(published / "archive.key", tmp_path)
        text = INVENTORY.replace("[nodes.worker1]", "").replace(
            "[release]", f'[release]\nbase_url = "{base(published)}"'
        )
        (tmp_path / "nodeprov.toml").write_text(f"""{text}
[trust]
apt_keyring = "archive.key"
[ssh]
user = "root"
identity_file = "{server.identity}"
known_hosts = "{server.known_hosts}"
[nodes.worker1]
address = "127.0.0.1"
port = {server.port}
""")
        yield Site(tmp_path, node)
        server.close()


def base(folder: Path) -> str:
    return str(folder / BASE_PATH)


def test_what_is_locked_and_bundled_for_aarch64_is_installed_on_a_node_that_says_so(site: Site) -> None:
    assert site.node.said("uname -m").strip() == ARM
    both = [f"--arch={name}" for name in (ARM, INTEL)]
    value = json.loads(site.run("lock", *both, "--require", "apt", "--json").text)
    members = {name: value["lock"]["architecture"][name]["member"] for name in (ARM, INTEL)}
    assert members[ARM]["runsc"]["sha512"] != members[INTEL]["runsc"]["sha512"]
    site.run("bundle", "bundle.tar", "--no-wheels")
    shutil.rmtree(site.folder / "cache")
    text = (site.folder / "nodeprov.toml").read_text()
    (site.folder / "nodeprov.toml").write_text(text.replace('base_url = "', 'base_url = "/nowhere'))

    before = site.node.listing()
    assert f", {ARM}, " in site.run("plan", "worker1", "--from", "bundle.tar", status=3).text
    site.run("install", "worker1", "--from", "bundle.tar", "--yes")
    current = f"{HOME}/opt/handlers/runsc/current"
    assert site.node.said(f"sha512sum < {current}/runsc").split()[0] == members[ARM]["runsc"]["sha512"]
    assert f"release-{ARCHIVE_RELEASE}" in site.node.said(f"{current}/runsc --version")
    assert "-platform" in site.node.said(f"{current}/runsc flags 2>&1")
    assert site.node.said(f"{current}/containerd-shim-runsc-v1 -v 2>&1")
    assert "nothing to do" in site.run("plan", "worker1", "--from", "bundle.tar").text
    site.run("uninstall", "worker1", "--yes")
    assert site.node.listing() == before


def test_programs_for_another_processor_are_refused_before_the_node_is_touched(
    site: Site, published: Path, tmp_path: Path
) -> None:
    """A mirror serves x86-64's archive under aarch64's name, and a lock has written down just that."""
    mirror = tmp_path / "mirror" / "release" / ARCHIVE_RELEASE
    mirror.mkdir(parents=True)
    for name in (ARM, INTEL):
        (mirror / name).symlink_to(Path(base(published)) / "release" / ARCHIVE_RELEASE / INTEL)
    server = make_server(tmp_path / "mirror", "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"--set=release.base_url=http://127.0.0.1:{server.server_address[1]}"
    why = "runsc is for x86_64, the node is aarch64"
    try:
        before = site.node.listing()
        assert why in said(site.run("lock", "--arch", ARM, at, status=1))
        assert why in said(site.run("install", "worker1", "--yes", at, status=1))
        assert site.node.listing() == before
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Container:
    """What is in the engine's image, unpacked, where its program runs as in a pod on a node that is played."""

    root: Path
    node: PlayedNode

    def run(self, argv: str, *, through: str = "", **environment: str) -> Output:
        """Run a program of the image there; a pod has no other variables than these, and the node's releases."""
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        mounts = "mount --bind /dev/null dev/null; mount --bind $0 releases; exec "
        inside = f"{mounts} {through} env -i {given} $(command -v chroot) . {argv}"
        script = f"cd {self.root}\nmkdir -p {RELEASES} dev releases\ntouch dev/null\n"
        script += f"exec unshare --mount sh -ec {shlex.quote(inside)} {RELEASES}"
        return LocalHost(enter=self.node.enter).run(plain("container", script), timeout_seconds=900)

    def result(self, action: str, *, run: str = "r1", through: str = "") -> NodeResult:
        """Run the engine; return what it leaves for kubelet."""
        message = self.root / "dev/termination-log"
        message.write_bytes(b"")
        assignment = Assignment(run, action, "worker1", "uid", "")
        environment = self.environment | assignment.environment
        ended = self.run("/usr/bin/python3 -m nodeprov.on_node", through=through, **environment)
        assert ended.returncode == 0, ended.said
        return NodeResult.from_json(message.read_bytes())

    @property
    def environment(self) -> dict[str, str]:
        """What the image and the node give it; programs that are played stand in a folder of its own."""
        return {"PATH": f"{HOME}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


@pytest.fixture
def container(site: Site) -> Container:
    site.run("lock", f"--arch={ARM}")
    root = site.folder / "root"
    for layer in engine_image.build(ARM, parts.engine_packages(ARM)).layers:
        unpack(layer, root)
    for name in ("null", "termination-log"):
        (root / "dev" / name).touch()
    shutil.copy(site.folder / "nodeprov.toml", root / "etc/nodeprov/inventory.toml")
    shutil.copy(site.folder / "nodeprov.lock", root / "etc/nodeprov")
    return Container(root, site.node)


def unpack(layer: Members, root: Path) -> None:
    """Write the members of a layer."""
    for path, member in layer.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if member.target:
            target.symlink_to(member.target)
        else:
            content = member.content
            target.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
            target.chmod(member.mode)


def test_the_engines_image_for_aarch64_runs_and_says_what_came_of_it(container: Container) -> None:
    says = "import platform, nodeprov.on_node.__main__, nodeprov.dispatch.__main__; print(platform.machine())"
    imported = container.run(f"/usr/bin/python3 -c {shlex.quote(says)}", **container.environment)
    assert imported.text.strip() == ARM, imported.said
    # Without this right nsenter leads nowhere.
    shut_out = container.result("uninstall", through="setpriv --bounding-set=-sys_admin")
    assert (shut_out.exit, shut_out.outcome) == (1, "failed")
    assert shut_out.error is not None
    assert "nsenter" in shut_out.error.what, shut_out.error
    # With it the engine reads the node that is played, and finds nothing to uninstall.
    entered = container.result("uninstall")
    assert (entered.exit, entered.outcome, entered.error) == (0, "unchanged", None)


def test_the_releases_image_for_aarch64_copies_it_and_the_engine_installs_it(
    container: Container, published: Path
) -> None:
    """A second run finds the files on the node, and gives them another name instead of a copy."""
    node, folder = container.node, container.root.parent
    before = node.listing()
    source = ReleaseSource(SOFTWARE, base(published), folder / "cache", lambda *_: None)
    made = release_image.build(obtain(source, ARCHIVE_RELEASE, ARM))
    image = Container(folder / "copier", node)
    for layer in made.layers:
        unpack(layer, image.root)

    def install(run: str) -> NodeResult:
        copied = image.run(f"{release_image.COPIER} /releases/{incoming_name(run)}", **made.environment)
        assert copied.returncode == 0, copied.said
        return container.result("install", run=run)

    first = install("r1")
    assert (first.exit, first.outcome, first.error) == (0, "done", None)
    assert (first.release, first.restarted) == (ARCHIVE_RELEASE, True)
    assert f"release-{ARCHIVE_RELEASE}" in node.said(f"{HOME}/opt/handlers/runsc/current/runsc --version")
    assert (second := install("r2")).outcome == "unchanged", second
    assert container.result("uninstall", run="r3").outcome == "done"
    assert node.listing() == before
