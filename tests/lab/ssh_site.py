"""A node that is reached in every way: users with all kinds of shells and sudo, more sshds, keys, agents."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeprov.hosts.local import run_checked, run_program, start_daemon
from nodeprov.hosts.passwords import Passwords
from nodeprov.hosts.ssh.host import SshHost
from nodeprov.inventory import Ssh
from tests.lab.machines import ADDRESSES, NEW, STATE, WORKER, Machine
from tests.lab.running import Ended
from tests.support.ssh_server import FidoKey

NODE = ADDRESSES[WORKER]
# A network of its own for each of the two processes.
V6_NET = f"fd00:{WORKER[-1]}23::"
V6_NODE, V6_HERE = f"{V6_NET}12", f"{V6_NET}1"
PORT, TWO_SESSIONS, ONE_SESSION, PENALTIES, CROWDED, FREE = range(2222, 2228)
DROPPED_PORT = 2299
PASSWORD = "it's a $ecret, \\ ü"
PASSPHRASE = "open sésame"
NOISE = "printf 'Welcome! \\377'; echo noise >&2; echo '{\"kind\": \"Banner\"}'"
FOLDER = "/run/m-site"


def listed_programs() -> list[str]:
    """Read in the documentation which programs sudo must allow."""
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    after = text.partition("### What sudo must allow")[2]
    found = after.partition("```text\n")[2].partition("```")[0].split()
    assert "sh" in found, "docs/security.md names the programs in the first block of that chapter"
    return found


@dataclass(frozen=True)
class Account:
    """A user of the node."""

    name: str
    shell: str = "/bin/bash"
    begins: str = ""
    sudo: str = "NOPASSWD: ALL"
    defaults: str = ""

    @property
    def script(self) -> str:
        """Make the user; the keys that let in are those of the site."""
        home, dots = f"/home/{self.name}", ".config/fish/config.fish" if "fish" in self.shell else ".bashrc"
        lines = [
            f"useradd -m -s {self.shell} {self.name}",
            f"echo {shlex.quote(f'{self.name}:{PASSWORD}')} | chpasswd",
            f"mkdir -p {home}/.ssh $(dirname {home}/{dots})",
            f"cp {FOLDER}/authorized {home}/.ssh/authorized_keys",
            f"echo {shlex.quote(self.begins)} > {home}/{dots}",
            f"chown -R {self.name}: {home}",
        ]
        if self.sudo:
            lines.append(f"echo '{self.name} ALL=(ALL) {self.sudo}' >> /etc/sudoers.d/m-site")
        if self.defaults:
            lines.append(f"echo 'Defaults:{self.name} {self.defaults}' >> /etc/sudoers.d/m-site")
        return "\n".join(lines)


ACCOUNTS = (
    Account("m-plain"),
    Account("m-secret", sudo="ALL"),
    Account("m-tty", defaults="requiretty"),
    Account("m-both", sudo="ALL", defaults="requiretty"),
    Account("m-fish", shell="/usr/bin/fish", begins=NOISE),
    Account("m-loud", begins=NOISE),
    Account("m-077", begins="umask 077"),
    Account("m-000", begins="umask 000"),
    Account("m-worst", "/usr/bin/fish", f"umask 077; {NOISE}", "ALL", f"requiretty, secure_path={FOLDER}/listed"),
    Account("m-loose", begins=f"umask 000; {NOISE}", sudo="ALL"),
    Account("m-nobody", sudo=""),
    Account("m-nologin", shell="/usr/sbin/nologin"),
    Account("m-slow", defaults=f"secure_path={FOLDER}/slow:/usr/sbin:/usr/bin:/sbin:/bin"),
    Account("m-jump", sudo=""),
    Account("m-free"),
)

SERVERS = {
    PORT: f"TrustedUserCAKeys {FOLDER}/ca.pub",
    TWO_SESSIONS: "MaxSessions 2",
    ONE_SESSION: "MaxSessions 1",
    PENALTIES: "PerSourcePenalties authfail:60s min:1s",
    CROWDED: "MaxStartups 1:100:1",
    FREE: "UsePAM no\nPasswordAuthentication yes\nPermitEmptyPasswords yes",
}
"""More sshds on the node, by their ports, and what is peculiar to each."""

SERVER = f"""
set -e
for program in {" ".join(listed_programs())}; do
    ln -s "$(command -v $program || echo /usr/bin/$program)" {FOLDER}/listed/$program
done
printf '#!/bin/sh\\nsleep 30\\n' > {FOLDER}/slow/getconf && chmod 0755 {FOLDER}/slow/getconf
usermod -p '' m-free
iptables -I INPUT -p tcp --dport {DROPPED_PORT} -j DROP
ip -6 addr add {V6_NODE}/64 dev eth0 nodad
"""


def sshd(port: int) -> str:
    """Start an sshd; of two lines of its configuration for one thing the first counts."""
    return f"""
cat > {FOLDER}/sshd{port}.conf <<X
Port {port}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile {FOLDER}/sshd{port}.pid
{SERVERS[port]}
UsePAM yes
PasswordAuthentication no
X
/usr/sbin/sshd -f {FOLDER}/sshd{port}.conf
"""


REMOVAL = f"""
for pid in {FOLDER}/*.pid; do [ ! -e $pid ] || kill $(cat $pid); done
while iptables -D INPUT -p tcp --dport {DROPPED_PORT} -j DROP 2>/dev/null; do :; done
ip -6 addr del {V6_NODE}/64 dev eth0 2>/dev/null
rm -rf /etc/sudoers.d/m-site {FOLDER} /opt/m-site
{"; ".join(f"userdel -rf {account.name} 2>/dev/null" for account in ACCOUNTS)}
getent passwd | grep ^m- || true
"""


class Site:
    """The node, and a folder of this machine with keys and known hosts."""

    def __init__(self, node: Machine, folder: Path) -> None:
        self.node = node
        self.folder = folder
        self._agents: list[int] = []
        self._silent = socket.create_server(("127.0.0.1", 0))

    @property
    def places(self) -> Mapping[str, str]:
        """What the rows of the table leave open."""
        return {"keys": str(self.folder), "silent": str(self._silent.getsockname()[1]), "node": NODE}

    def make(self) -> None:
        """Make it all."""
        assert self.node.try_run("command -v fish").stdout, "the lab is older than these tests: nodeprov lab down"
        self.remove_from_node()
        (self.folder / "lab").write_bytes(Path(f"{STATE}/id_ed25519").read_bytes())
        (self.folder / "lab").chmod(0o600)
        for name in ("jump", "unlocked", "ca", *(f"stranger{number}" for number in range(8))):
            self._keygen("-N", "", "-f", name, "-C", name)
        (self.folder / "locked").write_bytes((self.folder / "unlocked").read_bytes())
        (self.folder / "locked").chmod(0o600)
        self._keygen("-p", "-P", "", "-N", PASSPHRASE, "-f", "locked")
        self._write_known_hosts()
        self.token = FidoKey(self.folder / "token")
        public = (self.folder / "unlocked.pub").read_text() + self.token.line
        authority = (self.folder / "ca.pub").read_text()
        self.node.run(
            f"mkdir -p {FOLDER}/slow {FOLDER}/listed && echo '{authority}' > {FOLDER}/ca.pub && "
            f"(cat /root/.ssh/authorized_keys; echo '{public}') > {FOLDER}/authorized"
        )
        self.node.run("set -e\n" + "\n".join(account.script for account in ACCOUNTS), timeout_seconds=60)
        jump = (self.folder / "jump.pub").read_text()
        self.node.run(f"echo '{jump}' > /home/m-jump/.ssh/authorized_keys")
        self.node.run(SERVER + "".join(map(sshd, SERVERS)))
        run_program(["ip", "-6", "addr", "add", f"{V6_HERE}/64", "dev", "nplab0", "nodad"])

    def remove(self) -> None:
        """Take it all away."""
        for pid in self._agents:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self._silent.close()
        self.remove_from_node()

    def remove_from_node(self) -> None:
        """Take away what is on the node, also what an earlier, killed run has left."""
        run_program(["ip", "-6", "addr", "del", f"{V6_HERE}/64", "dev", "nplab0"])
        self.node.run(REMOVAL, timeout_seconds=60)

    def agent(self, *keys: str) -> str:
        """Start an agent that holds keys; return its socket."""
        path = self.folder / f"agent{len(self._agents)}"
        self._agents.append(start_daemon(["ssh-agent", "-D", "-a", str(path)], self.folder / "agent.log"))
        for _ in range(100):
            if path.exists():
                break
            time.sleep(0.02)
        files = [str(self.folder / key) for key in keys]
        run_checked(["ssh-add", "-q", *files], "ssh-add", environment={"SSH_AUTH_SOCK": str(path)})
        return str(path)

    def host(self, user: str, port: int = 22) -> SshHost:
        """Connect as a user, in this process."""
        ssh = Ssh(NODE, port, user, f"{self.folder}/lab", f"{self.folder}/known")
        return SshHost(WORKER, ssh, Passwords(sudo=PASSWORD))

    def inventory(self, ssh: Mapping[str, str | int], address: str, config: str) -> Path:
        """Write an inventory of the node alone, without a cluster."""
        name = self.folder / f"{time.monotonic_ns()}"
        name.with_suffix(".config").write_text(config.format_map(self.places))
        said = {"config_file": str(name.with_suffix(".config")), **ssh}
        lines = [f"{key} = {_toml(value, self.places)}" for key, value in said.items() if value != ""]
        text = "\n".join(
            ["[ssh]", *lines, "[release]", f'version = "{NEW}"', MIRROR, "[cluster]", "enabled = false"]
        )
        address = address.format_map(self.places)
        again = NODE if address != NODE else V6_NODE
        path = name.with_suffix(".toml")
        path.write_text(f'{text}\n[nodes.{WORKER}]\naddress = "{address}"\n[nodes.again]\naddress = "{again}"\n')
        return path

    def _write_known_hosts(self) -> None:
        lines = Path(f"{STATE}/known_hosts").read_text().splitlines()
        key = " ".join(next(line for line in lines if NODE in line).split()[1:3])
        names = f"{NODE},[{NODE}]:*,{V6_NODE},10.123.*,the-alias"
        stranger = (self.folder / "stranger0.pub").read_text()
        files = {
            "known": f"{names} {key}\n",
            "known-rotated": f"{NODE} {stranger}{NODE} {key}\n",
            "known-port": f"[{NODE}]:{PORT} {key}\n",
            "known-v6": f"[{V6_NODE}]:{PORT} {key}\n",
            "known-alias": f"the-alias {key}\n",
            "known-hashed": f"{NODE} {key}\n",
            "known-other": f"{NODE} {stranger}",
            "known-revoked": f"{NODE} {key}\n@revoked {NODE} {key}\n",
            "known-none": "",
            "host.pub": f"{key}\n",
        }
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self._keygen("-H", "-f", "known-hashed", key=False)

    def _keygen(self, *arguments: str, key: bool = True) -> None:
        kind = ["-t", "ed25519", "-q"] if key else []
        run_checked(["ssh-keygen", *kind, *arguments], "ssh-keygen", folder=self.folder)


MIRROR = 'base_url = "http://10.123.0.1:8080/gvisor/releases"'


def _toml(value: str | int, places: Mapping[str, str]) -> str:
    return str(value) if isinstance(value, int) else f'"{value.format_map(places)}"'


def without_a_terminal(arguments: list[str], *, stdin: str = "", agent: str = "") -> Ended:
    """Run nodeprov where nobody can be asked."""
    argv = [sys.executable, "-m", "nodeprov", *arguments]
    environment = {"SSH_AUTH_SOCK": agent, "HOME": "/nonexistent", "NODEPROV_CACHE": cache()}
    output = run_program(argv, stdin=stdin.encode(), timeout_seconds=300, environment=environment)
    return _seen(Ended(output.returncode, output.stdout.decode(), output.stderr.decode()))


def on_a_terminal(arguments: list[str], answers: Mapping[str, str], *, agent: str = "") -> Ended:
    """Run nodeprov as a person does, and type an answer to each prompt that comes."""
    argv = [sys.executable, "-m", "nodeprov", *arguments]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"SSH_AUTH_SOCK": agent, "NODEPROV_CACHE": cache()})
        os.execv(argv[0], argv)
    said, left = "", dict(answers)
    for chunk in _read(terminal):
        said += chunk
        for prompt in [prompt for prompt in left if prompt in said]:
            os.write(terminal, f"{left.pop(prompt)}\n".encode())
    os.close(terminal)
    assert not left, f"not asked: {list(left)}: {said}"
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.replace("\r", ""))
    return _seen(Ended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said, said))


def cache() -> str:
    """Name the user's own cache, whatever HOME is."""
    return os.environ.get("NODEPROV_CACHE") or str(Path.home() / ".cache" / "nodeprov")


def _read(terminal: int, seconds: float = 300) -> Iterator[str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # what Linux says when the other side is gone
                return
            if not chunk:
                return
            yield chunk.decode(errors="replace")
    raise AssertionError("it did not end")


def _seen(ended: Ended) -> Ended:
    """See that no secret is shown, and no traceback."""
    for text in (ended.stdout, ended.stderr):
        assert "Traceback" not in text, text
        assert PASSWORD not in text
        assert PASSPHRASE not in text
    return ended
