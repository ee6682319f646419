"""A host over SSH: scripts run there as root, whatever its login shell and its sudo need."""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from paramiko import Channel, SSHException  # noqa: TID251  the one place

from nodeprov.errors import NodeprovError, said_by_system
from nodeprov.hosts.approach import Approach, dialled, route_of
from nodeprov.hosts.base import COMMAND_SETTING, TIMED_OUT, Output, Script, ended_late, longer, too_much
from nodeprov.hosts.passwords import Passwords
from nodeprov.hosts.route import Target
from nodeprov.hosts.shell import ShellHost
from nodeprov.hosts.ssh import become
from nodeprov.hosts.ssh.become import Become
from nodeprov.hosts.ssh.channels import CHUNK_BYTES, HeldChannel, TooMuchError, exec_command, read_output, send
from nodeprov.hosts.ssh.connecting import SETTING, Connections, connect
from nodeprov.hosts.ssh.identities import is_there
from nodeprov.hosts.timings import CONNECT
from nodeprov.inventory import Ssh
from nodeprov.local_files import expanded

GRACE_SECONDS = 10


class SshHost(ShellHost):
    """A node reached by SSH, as root or as a user with sudo. It connects when it is first needed."""

    command_setting = COMMAND_SETTING

    def __init__(
        self, name: str, ssh: Ssh, passwords: Passwords | None = None, approach: Approach | None = None
    ) -> None:
        super().__init__(name)
        self._approach = approach
        self._ssh = ssh
        self._passwords = passwords or Passwords()
        self._connections: Connections | None = None
        self._route: tuple[Target, ...] = ()
        self._connecting = threading.RLock()
        self._become: Become | None = None
        self._is_settled = False
        self._password = ""
        self._mark = f"nodeprov-{secrets.token_hex(8)}"
        self.command_timeout_seconds = float(ssh.command_timeout_seconds)

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        """Run a script as root on a channel of its own."""
        runner = f"timeout -k 5 {timeout_seconds:.0f}"  # the node itself ends what takes too long
        while True:
            how = self._becoming()
            line = become.command_line(script, how, self._mark, runner=runner)
            opening = become.opening(how, self._password, self._mark)
            output, started = self._attempt(line, opening + stdin, timeout_seconds)
            if not started:
                self._learn(how, output)  # sudo refused, so that nothing has run yet
                continue
            self._is_settled = True
            if output.returncode != TIMED_OUT:
                return output
            return ended_late(output, timeout_seconds, self.setting_of(timeout_seconds))

    def upload_file(self, source: Path, script: str, on_sent: Callable[[int], None]) -> Output:
        """Stream a file to root's own `cat`, on a channel of its own.

        Not by SFTP: sshd starts its server by the login shell, whose noise would break it, and as the user.
        """
        how, idle = self._settled(), self.command_timeout_seconds
        line = become.command_line(script, how, self._mark)
        late = f"the upload stood still for {idle:.0f} s{longer(self.setting_of(idle))}"
        with self._problems(late), source.open("rb") as file, self._start(line) as channel:
            channel.settimeout(idle)
            opening = become.opening(how, self._password, self._mark)
            send(channel, chain([opening], iter(lambda: file.read(CHUNK_BYTES), b"")), on_sent)
            output = read_output(channel, time.monotonic() + idle)
        return Output(output.returncode, b"", become.after_mark(output.stderr, self._mark) or output.stderr)

    def hold(self, script: Script[Any], *, heartbeat_seconds: float = 0) -> HeldChannel:
        """Start a script that runs until its standard input ends, which a lost connection ends too."""
        self.on_command(self.name, script)
        how = self._settled()
        with self._problems("no answer"):
            channel = self._start(become.command_line(script.text, how, self._mark), held=True)
            opening = become.opening(how, self._password, self._mark)
            return HeldChannel(channel, opening, self._mark, heartbeat_seconds)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._approach is not None:
            self._approach.close()
            self._approach = None
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def _becoming(self) -> Become:
        with self._connecting:
            if self._become is None:
                sudo = self._user != "root" if self._ssh.sudo is None else self._ssh.sudo
                self._become = Become(sudo=sudo)
            return self._become

    def _settled(self) -> Become:
        """Find out what sudo needs, by a command that ends at once."""
        if self._becoming().sudo and not self._is_settled:
            self.execute(":", b"", self.command_timeout_seconds)
        return self._becoming()

    def _attempt(self, line: str, stdin: bytes, timeout_seconds: float) -> tuple[Output, bool]:
        """Run a command line; return also whether the script in it has started."""
        limit_seconds = timeout_seconds + GRACE_SECONDS
        deadline = time.monotonic() + limit_seconds
        raising = longer(self.setting_of(timeout_seconds))
        with self._problems(f"no answer within {limit_seconds:.0f} s{raising}"), self._start(line) as channel:
            channel.settimeout(limit_seconds)
            send(channel, [stdin])
            output = read_output(channel, deadline)
        printed = become.after_mark(output.stdout, self._mark)
        if printed is None:
            return output, False
        said = become.after_mark(output.stderr, self._mark)
        return Output(output.returncode, printed, output.stderr if said is None else said), True

    def _learn(self, how: Become, output: Output) -> None:
        """Learn what sudo needs from a command that did not start; raise NodeprovError if we do not have it."""
        message = (output.stderr + output.stdout).decode(errors="backslashreplace")
        with self._connecting:
            if self._become != how:
                return  # another thread has learned it
            better = how.learned_from(message)
            if better is None:
                raise self._not_started(how, output)
            if better.password and not how.password:
                command = self._ssh.sudo_password_command or ""
                self._password = self._passwords.sudo(
                    self._user, self.name, lambda it: self._accepts(better, it), command
                )
            self._become = better

    def _accepts(self, how: Become, password: str) -> bool:
        """Try a password once: its end is the end of standard input, so that sudo cannot ask again."""
        line = become.proof_line(how, self._mark)
        output, started = self._attempt(line, f"{password}\n".encode(), self.command_timeout_seconds)
        if not started and not become.refuses_password(output.stderr.decode(errors="replace")):
            raise self._not_started(how, output)
        return started

    def _not_started(self, how: Become, output: Output) -> NodeprovError:
        said = output.said or f"exit status {output.returncode}"
        if how.sudo:
            return NodeprovError(
                f"{self._user} cannot become root by sudo: {said}",
                f"let {self._user} run everything in sudoers, or log in as root: [ssh] user",
                where=self._where,
            )
        return NodeprovError(
            f"its login shell did not run the command: {said}",
            f"log in and look: is the shell of {self._user} nologin, or is a command forced in authorized_keys?",
            where=self._where,
        )

    def _start(self, line: str, *, held: bool = False) -> Channel:
        timeout_seconds = self._ssh.connect_timeout_seconds
        channel = self._connected().sessions.open(timeout_seconds, held=held)
        exec_command(channel, line, timeout_seconds)
        return channel

    @property
    def _user(self) -> str:
        """The user that we log in as."""
        self._connected()
        return self._route[-1].user

    @property
    def _where(self) -> str:
        return f"{self.name} ({self._route[-1].address})" if self._route else self.name

    def _connected(self) -> Connections:
        with self._connecting:
            if self._connections is not None and not self._connections.transport.is_active():
                self.close()
            if self._connections is None:
                try:
                    with self.measured(CONNECT):
                        self._connections = self._connect()
                except NodeprovError as error:
                    error.is_unreached = True
                    raise
            return self._connections

    def _connect(self) -> Connections:
        ssh, approach = self._ssh, self._approach
        self._approach = None  # it is of one login
        try:
            self._route = approach.route() if approach is not None else route_of(ssh)
        except NodeprovError as error:
            raise error.at(self.name) from None
        self._insist_on("known_hosts", ssh.known_hosts)
        if ssh.identity_file and not is_there(str(expanded(ssh.identity_file))):
            self._insist_on("identity_file", ssh.identity_file)
        seconds = ssh.connect_timeout_seconds
        dial = approach.dial if approach is not None else partial(dialled, timeout_seconds=seconds)
        return connect(self._route, self.name, self._passwords, dial=dial, timeout_seconds=seconds)

    def _insist_on(self, setting: str, path: str | None) -> None:
        """Refuse a file that is named and cannot be read; the default files need not exist."""
        if not path:
            return
        try:
            expanded(path).open().close()
        except OSError as error:
            hint = "nodeprov lab up" if "/nodeprov-lab/" in path else f"correct [ssh] {setting} in the inventory"
            raise NodeprovError(f"cannot read {setting} {path}: {error.strerror}", hint, where=self.name) from None

    @contextlib.contextmanager
    def _problems(self, on_timeout: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            hint = f"is it up? try: ssh {self._ssh.address}"
            raise NodeprovError(on_timeout, hint, where=self._where) from None
        except TooMuchError:
            raise too_much(self._where) from None
        except NodeprovError as error:
            raise error.at(self._where) from None
        except (SSHException, EOFError, OSError) as error:
            if "Timeout opening channel" in str(error):
                said, hint = "it opens no session in time", f"if it is only slow, raise {SETTING} in the inventory"
            else:
                said, hint = f"the connection broke: {said_by_system(error) or 'it was closed'}", "try again"
            raise NodeprovError(said, hint, where=self._where) from None
