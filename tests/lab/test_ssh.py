"""Whoever logs in, and however: the same plan, the same bytes and modes on the node; or a refusal that helps."""

from __future__ import annotations

import re
import secrets
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodeprov.hosts.base import plain
from nodeprov.hosts.local import run_checked
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Ssh
from nodeprov.local_files import cache_folder
from nodeprov.states import FileState
from tests.lab.machines import ADDRESSES, WORKER, Kubectl, Machine, scrub
from tests.lab.running import Ended, started
from tests.lab.secret_watch import Watch
from tests.lab.ssh_site import (
    CROWDED,
    DROPPED_PORT,
    FREE,
    NODE,
    ONE_SESSION,
    PASSPHRASE,
    PASSWORD,
    PENALTIES,
    PORT,
    TWO_SESSIONS,
    V6_NODE,
    Site,
    on_a_terminal,
    without_a_terminal,
)
from tests.support.memory_host import tree_of
from tests.support.ssh_server import fido_agent, new_key


@pytest.fixture(scope="module")
def site(
    kubectl: Kubectl, pristine_configs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    node = Machine(WORKER)
    site = Site(node, tmp_path_factory.mktemp("ssh"))
    try:
        site.make()
        node.run("systemctl restart containerd")  # so that no plan tells of a file that it has not read
        (site.folder / "node.included").write_text(ALIAS.format_map(site.places))
        yield site
    finally:
        site.remove()
        scrub(node, kubectl, pristine_configs[WORKER])
        node.host.close()


@dataclass(frozen=True)
class Row:
    """A way to the node. Without `refused` root's plan is expected, else a message with these words."""

    what: str
    user: str = "m-plain"
    ssh: Mapping[str, str | int] = field(default_factory=dict)
    config: str = ""
    address: str = NODE
    arguments: tuple[str, ...] = ()
    stdin: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    agent: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    setup: str = ""
    undo: str = ""

    def inventory(self, site: Site) -> Path:
        """Write its inventory."""
        usual = {"user": self.user, "identity_file": "{keys}/lab", "known_hosts": "{keys}/known"}
        return site.inventory({**usual, **self.ssh}, self.address, self.config)

    def run(self, site: Site, *command: str) -> Ended:
        """Run a command of nodeprov this way."""
        arguments = [*(command or ("plan", WORKER)), *self.arguments, "--inventory", str(self.inventory(site))]
        agent = site.agent(*self.agent) if self.agent else ""
        if self.typed:
            return on_a_terminal(arguments, self.typed, agent=agent)
        return without_a_terminal(arguments, stdin=self.stdin, agent=agent)


K = ("--ask-sudo-password",)
ALIAS = """
Host node
  HostName {node}
  User m-plain
  Port 2222
  IdentityFile {keys}/lab
  UserKnownHostsFile {keys}/known-port
"""
JUMP = """
Host bastion
  HostName {node}
  Port 2222
  User m-jump
  IdentityFile {keys}/jump
  IdentitiesOnly yes
  UserKnownHostsFile {keys}/JUMPKNOWN
  ProxyJump none
Host *
  ProxyJump bastion
"""
PROXY = (
    "ProxyCommand ssh -F none -o UserKnownHostsFile={keys}/known -i {keys}/jump"
    " -o BatchMode=yes -p 2222 -W %h:%p m-jump@{node}\n"
)
NO_KEY = {"identity_file": ""}

ROWS = (
    Row("root", "root"),
    Row("a user with passwordless sudo"),
    Row("a sudo password, first line of standard input", "m-secret", arguments=K, stdin=f"{PASSWORD}\n"),
    Row("a sudo password, typed when it is needed", "m-secret", typed={"password of m-secret for sudo": PASSWORD}),
    Row(
        "a sudo password, typed before connecting", "m-secret", arguments=K, typed={"password for sudo": PASSWORD}
    ),
    Row("a sudo password that was not needed", arguments=K, stdin=f"{PASSWORD}\n"),
    Row("a sudo password and nobody to ask", "m-secret", refused=("password of m-secret", "--ask-sudo-password")),
    Row("an empty sudo password", "m-secret", arguments=K, stdin="\n", refused=("is empty",)),
    Row(
        "no right to use sudo",
        "m-nobody",
        arguments=K,
        stdin=f"{PASSWORD}\n",
        refused=("not in the sudoers file",),
    ),
    Row("requiretty", "m-tty"),
    Row("requiretty and a sudo password", "m-both", arguments=K, stdin=f"{PASSWORD}\n"),
    Row("a login shell that is fish and talks", "m-fish"),
    Row("a login shell that prints banners", "m-loud"),
    Row("a login shell that lets nobody in", "m-nologin", refused=("m-nologin", "not available")),
    Row("umask 077", "m-077"),
    Row("umask 000", "m-000"),
    Row("/tmp mounted noexec", setup="mount -o remount,noexec /tmp", undo="mount -o remount,exec /tmp"),
    Row(
        "/tmp that cannot be written to",
        "m-both",
        arguments=K,
        stdin=f"{PASSWORD}\n",
        setup="mkdir -p /run/m-site/tmp; mount -t tmpfs -o mode=000,ro,noexec tmpfs /tmp",
        undo="umount /tmp",
    ),
    Row("another port", ssh={"port": PORT}),
    Row("an IPv6 address", address=V6_NODE),
    Row("an IPv6 address and a port", address=V6_NODE, ssh={"port": PORT, "known_hosts": "{keys}/known-v6"}),
    Row(
        "an alias of ~/.ssh/config, by Include",
        "",
        ssh={**NO_KEY, "known_hosts": ""},
        config="Include {keys}/*.included\n",
        address="node",
    ),
    Row("a jump host with its own user, port and key", config=JUMP.replace("JUMPKNOWN", "known")),
    Row("ProxyCommand", config=PROXY),
    Row("an agent", ssh=NO_KEY, config="IdentityFile none\n", agent=("lab",)),
    Row(
        "an agent with more keys than sshd allows tries",
        ssh=NO_KEY,
        config="IdentityFile none\n",
        agent=(*(f"stranger{number}" for number in range(8)), "lab"),
        refused=("hung up", "IdentitiesOnly yes"),
    ),
    Row(
        "IdentitiesOnly, and an agent with too many keys",
        ssh=NO_KEY,
        config="IdentitiesOnly yes\nIdentityFile {keys}/lab\n",
        agent=tuple(f"stranger{number}" for number in range(8)),
    ),
    Row(
        "an encrypted key, its passphrase typed",
        ssh={"identity_file": "{keys}/locked"},
        typed={"passphrase of": PASSPHRASE},
    ),
    Row(
        "a wrong passphrase",
        ssh={"identity_file": "{keys}/locked"},
        typed={"passphrase of": "wrong"},
        refused=("the passphrase does not open", "ssh-keygen -y"),
    ),
    Row("an encrypted key that an agent holds", ssh={"identity_file": "{keys}/locked"}, agent=("unlocked",)),
    Row("an encrypted key and nobody to ask", ssh={"identity_file": "{keys}/locked"}, refused=("ssh-add",)),
    Row(
        "a key that is not let in",
        ssh={"identity_file": "{keys}/stranger1"},
        refused=("not let in as m-plain with",),
    ),
    Row("known hosts that are hashed", ssh={"known_hosts": "{keys}/known-hashed"}),
    Row("two known keys of one kind", ssh={"known_hosts": "{keys}/known-rotated"}),
    Row("HostKeyAlias", ssh={"known_hosts": "{keys}/known-alias"}, config="HostKeyAlias the-alias\n"),
    Row("at most two sessions on a connection", ssh={"port": TWO_SESSIONS}),
    Row("a plan, which needs no second session", ssh={"port": ONE_SESSION}),
    Row(
        "a server that asks for no key",
        "m-free",
        ssh={**NO_KEY, "port": FREE},
        config="IdentityFile none\nIdentityAgent none\n",
    ),
    Row(
        "a FIDO key that no agent has",
        ssh={"identity_file": "{keys}/token"},
        refused=("{keys}/token is a FIDO key, which only an agent can use", "ssh-add {keys}/token"),
    ),
    Row(
        "a public key that no agent has",
        ssh={"identity_file": "{keys}/unlocked.pub"},
        refused=("{keys}/unlocked.pub is a public key, and no agent has its private key",),
    ),
    Row(
        "KnownHostsCommand",
        ssh={"known_hosts": ""},
        config="UserKnownHostsFile /dev/null\nKnownHostsCommand /usr/bin/grep -F -e %H -- {keys}/known\n",
    ),
    Row(
        "KnownHostsCommand that does not know the host",
        ssh={"known_hosts": ""},
        config="UserKnownHostsFile /dev/null\nKnownHostsCommand /usr/bin/cat {keys}/known-none\n",
        refused=(
            "is not in KnownHostsCommand",
            'known_hosts = "~/.ssh/known_hosts"',
            f"ssh-keyscan {NODE} >> ~/.ssh",
        ),
    ),
    Row(
        "KnownHostsCommand that fails",
        config="KnownHostsCommand /usr/bin/cat {keys}/nowhere\n",
        refused=("KnownHostsCommand of the ssh configuration failed", "No such file", "try it: /usr/bin/cat"),
    ),
    Row("a host key in RevokedHostKeys", config="RevokedHostKeys {keys}/host.pub\n", refused=("is revoked",)),
    Row("a list of algorithms", config="Ciphers aes256-gcm@openssh.com\nKexAlgorithms ecdh-sha2-nistp521\n"),
    Row("compression", config="Compression yes\n"),
    Row(
        "directives that are not followed",
        ssh={"identity_file": "{keys}/stranger1"},
        config="PKCS11Provider /usr/lib/x.so\nControlPath ~/.ssh/%C\nHostbasedAuthentication yes\n",
        refused=(
            "not let in",
            "not followed of the ssh configuration: ControlPath",
            "HostbasedAuthentication yes (",
            "PKCS11Provider /usr/lib/x.so (",
        ),
    ),
    Row("a revoked host key", ssh={"known_hosts": "{keys}/known-revoked"}, refused=("revoked",)),
    Row(
        "a jump host whose key is not known",
        config=JUMP.replace("JUMPKNOWN", "known-none"),
        ssh={"known_hosts": "{keys}/known-hashed"},
        refused=("jump host bastion", "host key is not known", f"ssh-keyscan -p {PORT} {NODE} >> "),
    ),
    Row(
        "a port that drops everything",
        ssh={"port": DROPPED_PORT, "connect_timeout_seconds": 1},
        refused=("no answer", f"port {DROPPED_PORT}", "[ssh] connect_timeout_seconds"),
    ),
    Row(
        "a port that accepts and says nothing",
        address="127.0.0.1",
        ssh={"connect_timeout_seconds": 1},
        config="Port {silent}\n",
        refused=("sent nothing", "[ssh] connect_timeout_seconds"),
    ),
    Row("a port that is no sshd's", address="10.123.0.1", ssh={"port": 8080}, refused=("not an SSH server",)),
    Row("a port where nothing listens", ssh={"port": 2298}, refused=("Connection refused", "try: ssh -p 2298")),
    Row("a name that does not resolve", address="nowhere.invalid", refused=("cannot be reached",)),
    Row(
        "a command that takes too long",
        "m-slow",
        ssh={"command_timeout_seconds": 1},
        refused=("within 1 s", "[ssh] command_timeout_seconds"),
    ),
    Row("an ssh configuration that ssh cannot read", config="Nonsense yes\n", refused=("Nonsense", "nonsense")),
)


@pytest.fixture(scope="module")
def planned(site: Site) -> str:
    """What is to be done on the node, as root's first plan says."""
    ended = Row("root", "root").run(site)
    assert ended.returncode == 3, ended.stderr
    return ended.stdout


@pytest.mark.rotates(3)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_the_same_plan_or_a_refusal(site: Site, planned: str, row: Row) -> None:
    site.node.run(row.setup or ":")
    try:
        ended = row.run(site)
    finally:
        site.node.run(row.undo or ":")
    if row.refused:
        assert ended.returncode == 1, ended.stdout + ended.stderr
        words = [said.replace("{keys}", str(site.folder)) for said in row.refused]
        missing = [said for said in words if said.lower() not in ended.stderr.lower()]
        assert not missing, ended.stderr
        assert "hint: " in ended.stderr
        assert WORKER in ended.stderr
        return
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "".join(planned.split()) in "".join(ended.stdout.split())  # a terminal wraps long lines


LIVES = (
    Row("a whole life: requiretty, sudo password, no unlisted program, fish that talks, umask 077", "m-worst"),
    Row("a whole life: sudo password, bash that talks, umask 000", "m-loose"),
    Row("a whole life: at most two sessions on a connection", "m-secret", ssh={"port": TWO_SESSIONS}),
)


@pytest.mark.rotates(6)
@pytest.mark.parametrize("row", LIVES, ids=lambda row: row.what)
def test_a_whole_life(site: Site, row: Row) -> None:
    """The first user's sudo finds only what docs/security.md says that it must allow."""
    inventory, before = row.inventory(site), site.node.listing()

    def run(*command: str) -> Ended:
        arguments = [*command, WORKER, *K, "--inventory", str(inventory)]
        ended = without_a_terminal(arguments, stdin=f"{PASSWORD}\n")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    run("install", "--yes")
    odd = site.node.run(
        "find /opt/nodeprov -not -type l \\( -not -perm 0755 -a -not -perm 0644 -o -not -user root \\)"
    )
    assert odd == ""
    assert "nothing to do" in run("install", "--yes").stdout
    if row is LIVES[0]:  # the slowest, and it only reads
        assert "failed" not in run("verify").stdout
    run("uninstall", "--yes")
    assert site.node.listing() == before


@pytest.mark.trouble(
    "sshd allows two sessions on a connection (MaxSessions 2), and a run is interrupted",
    "all is taken back; the node is as before",
)
def test_an_undo_needs_two_sessions(site: Site) -> None:
    before = site.node.listing()
    inventory = Row("", ssh={"port": TWO_SESSIONS}).inventory(site)
    with started("install", WORKER, "--yes", inventory=inventory) as running:
        running.wait_for("uploading")
        running.process.send_signal(signal.SIGINT)
        ended = running.end()
    assert ended.returncode == 1, ended.stderr
    assert "the node is as before" in ended.stderr
    assert site.node.listing() == before


@pytest.mark.trouble(
    "sshd allows one session on a connection (MaxSessions 1)",
    "refused, with what is needed; nothing is touched",
)
def test_with_one_session_an_install_says_what_it_needs(site: Site) -> None:
    before = site.node.listing()
    ended = Row("", ssh={"port": ONE_SESSION}).run(site, "install", WORKER, "--yes")
    assert ended.returncode == 1, ended.stdout
    assert "the server allows 1 session on a connection, and 2 are needed" in ended.stderr
    assert "hint: set MaxSessions 2 or more in its sshd_config" in ended.stderr
    assert site.node.listing() == before


@pytest.mark.parametrize("port", [PORT, TWO_SESSIONS], ids=["ten sessions", "two sessions"])
def test_many_commands_at_the_same_time(site: Site, port: int) -> None:
    """Beside one that is held, as a run's lock is."""
    host, said = site.host("m-secret", port), list[str]()

    def run() -> None:
        for _ in range(15):
            said.append(host.sh("echo done").text)

    held = host.hold(plain("sh", "echo held; cat > /dev/null"))
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not held.ended
    held.release()
    host.close()
    assert said == ["done\n"] * 120


@pytest.mark.trouble(
    "sshd drops connections from an address with failed logins (PerSourcePenalties)",
    "tried again, then reported with sshd's own reason",
)
def test_what_sshd_says_to_an_address_that_it_penalizes(site: Site) -> None:
    stranger = Row("", ssh={"port": PENALTIES, "identity_file": "{keys}/stranger1"}).run(site)
    assert "not let in as m-plain" in stranger.stderr
    ended = Row("", ssh={"port": PENALTIES}).run(site)
    assert ended.returncode == 1
    assert 'it refuses the connection: it says "Not allowed at this time"' in ended.stderr
    assert "PerSourcePenalties" in ended.stderr


@pytest.mark.trouble(
    "sshd drops connections while many log in at once (MaxStartups)", "tried again after a moment, and done"
)
def test_a_connection_that_sshd_drops_is_made_again(site: Site, planned: str) -> None:
    with socket.create_connection((NODE, CROWDED)) as other:
        other.recv(100)
        threading.Timer(1, other.close).start()
        ended = Row("", ssh={"port": CROWDED}).run(site)
    assert ended.returncode == 3, ended.stderr
    assert planned in ended.stdout


def test_the_agent_of_the_configuration_is_asked(site: Site, planned: str) -> None:
    path = site.agent("lab")
    ended = Row("", ssh=NO_KEY, config=f"IdentityFile none\nIdentityAgent {path}\n").run(site)
    assert ended.returncode == 3, ended.stderr
    assert planned in ended.stdout


@pytest.mark.parametrize("named", ["token", "token.pub"])
def test_a_fido_key_is_used_through_an_agent(site: Site, planned: str, named: str, tmp_path: Path) -> None:
    with fido_agent(tmp_path, site.token) as path:
        row = Row("", ssh={"identity_file": f"{{keys}}/{named}"}, config=f"IdentityAgent {path}\n")
        ended = row.run(site)
    assert ended.returncode == 3, ended.stderr
    assert planned in ended.stdout


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize(
    "where", ["beside the key", "CertificateFile", "an agent", "CertificateFile and an agent"]
)
def test_a_certificate_lets_in(site: Site, tmp_path: Path, kind: str, where: str) -> None:
    key, elsewhere = new_key(tmp_path / "certified", kind), tmp_path / "elsewhere"
    argv = ["ssh-keygen", "-q", "-s", str(site.folder / "ca"), "-I", "me", "-n", "m-plain", f"{key}.pub"]
    run_checked(argv, "ssh-keygen")
    certificate, config = tmp_path / "certified-cert.pub", "IdentityAgent none\n"
    if where.startswith("CertificateFile"):
        certificate.rename(elsewhere)
        config += f"CertificateFile {elsewhere}\n"
    if "agent" in where:
        path = site.agent(str(key))
        config = config.replace("none", path)
        key.unlink()
    (tmp_path / "config").write_text(config)
    identity = None if "agent" in where else str(key)
    config_file, known = str(tmp_path / "config"), f"{site.folder}/known"
    ssh = Ssh(NODE, PORT, "m-plain", identity, known, config_file)
    host = SshHost(WORKER, ssh)
    assert host.sh("id -un").text == "root\n"
    host.close()


def test_a_passphrase_that_is_typed_is_seen_nowhere_else(site: Site, tmp_path: Path) -> None:
    """Looked for in every process while it is used, and in every file afterwards, here and on the node."""
    passphrase = f"kn0wn Passphrase {secrets.token_hex(6)}"
    key = tmp_path / "locked"
    key.write_bytes((site.folder / "unlocked").read_bytes())
    key.chmod(0o600)
    run_checked(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", str(key)], "ssh-keygen")
    row = Row("", ssh={"identity_file": str(key)}, typed={"passphrase of": passphrase})
    watch = Watch(site.node, passphrase)
    with watch.processes():
        for command in ("install", "support", "uninstall"):
            more = ("--out", str(tmp_path / "support.tar.gz")) if command == "support" else ("--yes",)
            ended = row.run(site, command, WORKER, *more, "-vv")
            assert ended.returncode == 0, ended.stderr
            assert passphrase not in ended.stderr
    assert watch.files_of_the_node() == []
    assert watch.journal() == ""
    here = (tmp_path, site.folder, cache_folder(), Path("/tmp"), Path("/var/tmp"), Path("/root"))
    assert watch.files_here(*here) == []


WRITERS = ("root", "m-plain", "m-secret", "m-tty", "m-both", "m-fish", "m-loud", "m-077", "m-000", "m-worst")


@pytest.fixture(scope="module")
def written_by_root(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written_by(site, "root", tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("user", WRITERS, ids=lambda user: f"files, links, trees and output as {user}")
def test_what_is_written_and_read_is_as_by_root(
    site: Site, written_by_root: str, tmp_path: Path, user: str
) -> None:
    assert written_by(site, user, tmp_path) == written_by_root


def written_by(site: Site, user: str, tmp_path: Path) -> str:
    """Write one of each, and read it back; say how it looks on the node."""
    folder, odd = f"/opt/m-site/{user}", bytes(range(256)) * 2000
    (tmp_path / "source" / "below").mkdir(parents=True)
    for name in ("runsc", "below/large"):
        (tmp_path / "source" / name).write_bytes(odd)
        (tmp_path / "source" / name).chmod(0o755)
    site.node.run(f"rm -rf {folder}")
    host = site.host(user)
    try:
        host.write_file(f"{folder}/file", FileState(odd, 0o640, 0, 0))
        host.write_link(f"{folder}/link", "file")
        host.write_tree(f"{folder}/tree", tree_of(tmp_path / "source"), tmp_path / "source")
        output = host.sh("cat; echo said >&2; id -u; exit 7", stdin=odd)
        assert (output.returncode, output.stdout, output.stderr) == (7, odd + b"0\n", b"said\n")
        held = host.hold(plain("sh", f"echo held; cat > {folder}/held; echo released > {folder}/released"))
        assert held.first_line == "held"
        site.node.run(f"until test -e {folder}/held; do sleep 0.05; done; ! test -e {folder}/released", 10)
        # What a ps of anybody on the node could see.
        seen = site.node.try_run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null").stdout
        assert PASSWORD.encode() not in seen
        held.release()
        assert site.node.run(f"cat {folder}/released; stat -c %s {folder}/held") == "released\n0\n"
        return site.node.run(
            f"cd {folder} && find . -printf '%p %y %m %U %G %s\\n' | sort; sha256sum file tree/runsc"
        )
    finally:
        host.close()


@pytest.mark.parametrize("user", ["root", "m-worst"], ids=lambda user: f"a command that is ended, as {user}")
def test_a_command_is_ended_on_the_node(site: Site, user: str) -> None:
    host = site.host(user)
    late = host.sh("exec sleep 61", timeout_seconds=1)
    host.close()
    assert late.returncode == 124
    assert late.said == "it did not end within 1 s and was ended"
    assert site.node.try_run("pgrep -fx 'sleep 61'").stdout == b""


def test_a_lock_is_let_go_when_the_connection_is_lost(site: Site) -> None:
    for user in ("root", "m-secret", "m-worst"):
        host = site.host(user)
        held = host.hold(plain("sh", "exec 9>/run/m-site/lock; flock -n 9 && echo held; cat > /dev/null"))
        assert held.first_line == "held"
        assert site.node.try_run("flock -n /run/m-site/lock true").returncode == 1
        host.close()
        site.node.run("flock -w 10 /run/m-site/lock true")


def test_a_password_is_asked_for_once_for_all_nodes(site: Site) -> None:
    row = Row("", "m-secret", typed={"password of m-secret for sudo": PASSWORD})
    ended = row.run(site, "plan", WORKER, "again")
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout.count("password of") == 1
    assert ended.stdout.count("install: 7 changes") == 1
    assert f"again: the same as {WORKER}" in ended.stdout


def test_a_wrong_sudo_password_is_tried_once_on_one_node(site: Site) -> None:
    user = "m-both"
    count = f"journalctl -q -o cat --no-pager | grep -c 'sudo:auth): authentication failure.* user={user}' || true"
    before = int(site.node.run(count))
    ended = Row("", user, arguments=(*K, "-vv"), stdin="wrong\n").run(site, "plan", WORKER, "again")
    assert ended.returncode == 1
    assert re.search(f"({WORKER}|again): sudo refused the password of {user}", ended.stderr)
    assert "sudo password not tried" in ended.stderr
    assert "wrong" not in ended.stderr
    assert int(site.node.run(count)) - before == 1


@pytest.mark.parametrize(
    ("known", "port", "alias"),
    [("none", 22, ""), ("none", PORT, ""), ("other", 22, ""), ("none", 22, "HostKeyAlias other\n")],
    ids=[
        "an unknown host key",
        "an unknown host key of another port",
        "a changed host key",
        "an unknown HostKeyAlias",
    ],
)
def test_a_refused_host_key_is_accepted_by_the_command_that_is_shown(
    site: Site, planned: str, known: str, port: int, alias: str
) -> None:
    mine = site.folder / f"mine-{known}-{port}-{bool(alias)}"
    mine.write_text((site.folder / f"known-{known}").read_text())
    row = Row("", ssh={"port": port, "known_hosts": str(mine)}, config=alias)
    ended = row.run(site)
    assert ended.returncode == 1
    said = "the host key has changed" if known == "other" else "its host key is not known"
    assert f"{WORKER} ({NODE}): {said}: ssh-ed25519 SHA256:" in ended.stderr, ended.stderr
    hint = ended.stderr.partition("hint: ")[2]
    for command in re.findall(r"(ssh-key(?:gen|scan) [^\n]*?)(?:, and then: |$)", hint, re.MULTILINE):
        run_checked(["sh", "-c", command], command)
    ended = row.run(site)
    assert ended.returncode == 3, hint + ended.stderr
    assert ended.stdout == planned


def test_an_unknown_host_behind_a_jump_host_is_scanned_from_there(site: Site) -> None:
    config = JUMP.replace("JUMPKNOWN", "known")
    ended = Row("", ssh={"known_hosts": "{keys}/known-port"}, config=config).run(site)
    assert ended.returncode == 1
    assert f"{WORKER} ({NODE}): its host key is not known" in ended.stderr
    assert f"ssh bastion ssh-keyscan {NODE} >> " in ended.stderr


def test_two_threads_of_one_host_learn_together(site: Site) -> None:
    host, said = site.host("m-worst"), []
    threads = [threading.Thread(target=lambda: said.append(host.sh("id -un").text)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    host.close()
    assert said == ["root\n"] * 4
    assert ADDRESSES[WORKER] == NODE


def test_neither_the_agent_nor_a_display_is_forwarded_whatever_the_configuration_says(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by way of sudo, which would hide it."""
    monkeypatch.setenv("SSH_AUTH_SOCK", site.agent("unlocked"))
    monkeypatch.setenv("DISPLAY", ":0")
    config = tmp_path / "config"
    config.write_text("Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  SendEnv *\n")
    ssh = Ssh(NODE, user="m-plain", sudo=False, config_file=str(config), known_hosts=f"{site.folder}/known")
    host = SshHost(WORKER, ssh)
    seen = host.sh('echo "$SSH_AUTH_SOCK,$DISPLAY"; id -un; ls -d /tmp/ssh-* 2>/dev/null')
    host.close()
    assert seen.text == ",\nm-plain\n"
