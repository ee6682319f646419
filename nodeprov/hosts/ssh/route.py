"""The route to a node, by the user's ssh_config: its jump hosts and the node itself, and how to log in to each."""

import getpass
import os
import re
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov.hosts.ssh.known_hosts import SSH_PORT, name_of
from nodeprov.inventory import Ssh
from nodeprov.local_files import expanded

_MOST_JUMP_HOSTS = 8
_TIMEOUT_SECONDS = 30.0
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_IDENTITIES = tuple(f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519"))
_JUMP = re.compile(r"(ssh://)?((?P<user>[^@]+)@)?(\[(?P<v6>[^]]+)\]|(?P<host>[^:@]+))(:(?P<port>\d+))?/?")

Options = Mapping[str, Sequence[str]]
"""Keywords in lower case, each with its values; one that may be given once has one."""

Lookup = Callable[[str, str | None, int | None], Options]
"""Asked for a machine by what the user calls it, and by the user and the port if they are set elsewhere."""


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to log in to: a jump host, or the node itself."""

    alias: str
    address: str
    port: int
    user: str
    identity_files: tuple[str, ...] = ()
    """Private keys in the order in which they are tried; not each need exist."""
    identities_only: bool = False
    agent: bool = True
    known_hosts: tuple[str, ...] = ()
    """The files that are trusted; a key that the user accepts belongs into the first."""
    host_key_alias: str = ""
    proxy_command: str = ""

    @property
    def known_as(self) -> str:
        """Its name in known_hosts."""
        return self.host_key_alias or name_of(self.address, self.port)

    @property
    def keyscan(self) -> str:
        """The command that prints its keys."""
        port = "" if self.port == SSH_PORT else f"-p {self.port} "
        return f"ssh-keyscan {port}{self.address}"


def route(ssh: Ssh, lookup: Lookup) -> tuple[Target, ...]:
    """Find the route: the jump hosts in their order, and the node at the end.

    What the inventory says goes before the user's configuration, and is for the node alone; but its known_hosts is
    for the jump hosts too, whose keys it may hold.
    """
    options = lookup(ssh.address, ssh.user, ssh.port)
    jumps = _jumps(options, lookup, depth=0)
    trusted = (_home(ssh.known_hosts),) if ssh.known_hosts else ()
    node = _target(ssh.address, options, ssh)
    return (*(_trusting(jump, trusted) for jump in jumps), node)


def _jumps(options: Options, lookup: Lookup, *, depth: int) -> tuple[Target, ...]:
    wanted = _one(options, "proxyjump")
    if wanted.lower() in ("", "none"):
        return ()
    if depth == _MOST_JUMP_HOSTS:
        raise NodeprovError(f"ProxyJump goes in circles: {wanted}", "look at `ssh -G` of the jump host")
    jumps: tuple[Target, ...] = ()
    for index, text in enumerate(wanted.split(",")):
        match = _JUMP.fullmatch(text.strip())
        if match is None:
            raise NodeprovError(f"cannot understand ProxyJump {text!r}", "write it as [user@]host[:port]")
        name, port = match["v6"] or match["host"], int(match["port"]) if match["port"] else None
        theirs = lookup(name, match["user"], port)
        # As ssh does it: only the first of several is reached by its own ProxyJump.
        before = _jumps(theirs, lookup, depth=depth + 1) if index == 0 else ()
        jumps += (*before, _target(name, theirs, Ssh(address=name, user=match["user"], port=port)))
    return jumps


def _target(alias: str, options: Options, settings: Ssh) -> Target:
    address = _one(options, "hostname") or alias
    port = settings.port or int(_one(options, "port") or SSH_PORT)
    user = settings.user or _one(options, "user") or our_name()
    tokens = {"h": address, "n": alias, "p": str(port), "r": user, **_our_tokens()}
    configured = (
        [_home(settings.known_hosts)]
        if settings.known_hosts
        else _files(options, "userknownhostsfile", _KNOWN_HOSTS, tokens)
    )
    identities = [_expanded(path, tokens) for path in options.get("identityfile", _IDENTITIES)]
    command = _one(options, "proxycommand")
    return Target(
        alias=alias,
        address=address.strip("[]"),
        port=port,
        user=user,
        identity_files=tuple(
            dict.fromkeys([*([_home(settings.identity_file)] if settings.identity_file else []), *identities])
        ),
        identities_only=_one(options, "identitiesonly").lower() == "yes",
        agent=_one(options, "identityagent").lower() != "none",
        known_hosts=(*configured, *_files(options, "globalknownhostsfile", _GLOBAL_KNOWN_HOSTS, tokens)),
        host_key_alias=_one(options, "hostkeyalias"),
        proxy_command="" if command.lower() == "none" else _with_tokens(command, tokens),
    )


def _trusting(target: Target, files: tuple[str, ...]) -> Target:
    return replace(target, known_hosts=tuple(dict.fromkeys([*files, *target.known_hosts])))


def _one(options: Options, key: str) -> str:
    return next(iter(options.get(key, ())), "")


def _files(options: Options, key: str, default: tuple[str, ...], tokens: dict[str, str]) -> list[str]:
    value = _one(options, key)
    if value.lower() == "none":
        return []
    return [_expanded(path, tokens) for path in (value.split() or default)]


def _expanded(path: str, tokens: dict[str, str]) -> str:
    return _home(_with_tokens(path, tokens))


def _with_tokens(text: str, tokens: dict[str, str]) -> str:
    """Replace OpenSSH's tokens (ssh_config(5), TOKENS); one that is unknown stays."""
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)


def our_name() -> str:
    """Name who we are; a container may run as somebody who has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and since
        return str(os.getuid())


def _our_tokens() -> dict[str, str]:
    return {"%": "%", "d": str(Path.home()), "u": our_name(), "l": socket.gethostname()}


def _home(path: str) -> str:
    return str(expanded(path))


def lookup_by(config_file: str | None) -> Lookup:
    """Choose a reader of the configuration: OpenSSH if it is installed, else fabric, which ignores Include."""
    path = str(expanded(config_file)) if config_file else None
    if path and not Path(path).is_file():
        raise NodeprovError(f"there is no ssh configuration {path}", "correct [ssh] config_file in the inventory")
    reader = ask_openssh if shutil.which("ssh") else ask_fabric
    return lambda alias, user, port: reader(path, alias, user, port)


def ask_openssh(path: str | None, alias: str, user: str | None, port: int | None) -> Options:
    """Ask `ssh -G`."""
    argv = ["ssh", "-G", "-T"]
    argv += ["-F", path] if path else []
    argv += ["-l", user] if user else []
    argv += ["-p", str(port)] if port else []
    output = run_program([*argv, "--", alias], timeout_seconds=_TIMEOUT_SECONDS)
    if output.returncode != 0:
        raise NodeprovError(f"ssh cannot read its configuration: {output.said}", f"try: ssh -G {alias}")
    options: dict[str, list[str]] = {}
    for line in output.text.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return options


def ask_fabric(path: str | None, alias: str, user: str | None, port: int | None) -> Options:
    """Read ~/.ssh/config and /etc/ssh/ssh_config, or only the file that is named."""
    from fabric import Config  # noqa: TID251  150 ms that a run without SSH saves

    try:
        config = Config(runtime_ssh_path=path) if path else Config()
        found = config.base_ssh_config.lookup(alias)
    except Exception as error:  # paramiko raises what it likes for a line that it does not understand
        raise NodeprovError(f"the ssh configuration cannot be read: {error}", f"try: ssh -G {alias}") from None
    options = {key: value if isinstance(value, list) else [value] for key, value in found.items() if value}
    if user:
        options["user"] = [user]
    if port:
        options["port"] = [str(port)]
    return options
