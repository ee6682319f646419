"""The route to a node, by the user's ssh_config: its jump hosts and the node itself, and how to log in to each."""

import getpass
import hashlib
import os
import re
import shlex
import shutil
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts import plain_config
from nodeprov.hosts.local import run_program
from nodeprov.inventory import Ssh
from nodeprov.inventory.ssh_config import Options
from nodeprov.local_files import expanded

SSH_PORT = 22
_MOST_JUMP_HOSTS = 8
_TIMEOUT_SECONDS = 30.0
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_IDENTITIES = tuple(f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk"))
_AGENT_VARIABLE = "SSH_AUTH_SOCK"
_LEAST_RSA_BITS = 1024  # what OpenSSH 9.1 and later ask for
_JUMP = re.compile(r"(ssh://)?((?P<user>[^@]+)@)?(\[(?P<v6>[^]]+)\]|(?P<host>[^:@]+))(:(?P<port>\d+))?/?")

_ANY = "nodeprov.invalid"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")
_asking = threading.Lock()

Lookup = Callable[[str, str | None, int | None], Options]
"""Asked for a machine by what the user calls it, and by the user and the port if they are set elsewhere."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Names of algorithms in the order of preference; where there are none, paramiko's own count."""

    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    key_exchange: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    user_keys: tuple[str, ...] = ()
    compression: bool = False
    least_rsa_bits: int = _LEAST_RSA_BITS


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to log in to: a jump host, or the node itself."""

    alias: str
    address: str
    port: int
    user: str
    address_family: str = "any"
    """any, inet or inet6."""
    bind_address: str = ""
    attempts: int = 1
    """How often it is tried to reach it, each second once."""
    identity_files: tuple[str, ...] = ()
    """Private keys in the order in which they are tried; not each need exist."""
    certificate_files: tuple[str, ...] = ()
    identities_only: bool = False
    keys_allowed: bool = True
    """Whether a key may be offered at all."""
    agent: str | None = f"${_AGENT_VARIABLE}"
    """The agent's socket: a path, a variable that has it behind a dollar, or None for no agent."""
    batch: bool = False
    """Whether nobody is to be asked for a passphrase."""
    known_hosts: tuple[str, ...] = ()
    """The files that are trusted."""
    accepting: str = ""
    """The one of them that a key which the user accepts belongs into; empty if there is none."""
    known_hosts_command: tuple[str, ...] = ()
    """A program that prints more of them, with tokens of `tokens` and of the key that is asked about."""
    revoked_host_keys: tuple[str, ...] = ()
    host_key_alias: str = ""
    algorithms: Algorithms = Algorithms()
    proxy_command: str = ""
    tokens: Mapping[str, str] = field(default_factory=dict)
    options: Options = field(default_factory=dict)
    """What the configuration says besides OpenSSH's own defaults."""

    @property
    def known_as(self) -> str:
        """Its name in known_hosts."""
        return self.host_key_alias or name_of(self.address, self.port)

    @property
    def keyscan(self) -> str:
        """The command that prints its keys."""
        port = "" if self.port == SSH_PORT else f"-p {self.port} "
        return f"ssh-keyscan {port}{self.address}"


def name_of(address: str, port: int) -> str:
    """Write a host as known_hosts files name it."""
    return address if port == SSH_PORT else f"[{address}]:{port}"


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
    address = (_one(options, "hostname") or alias).strip("[]")
    port = settings.port or _number(options, "port", SSH_PORT)
    user = settings.user or _one(options, "user") or our_name()
    tokens = _tokens(alias, address, port, user, options)
    files = _Files(options, tokens)
    ours = (
        [_home(settings.known_hosts)] if settings.known_hosts else files.listed("userknownhostsfile", _KNOWN_HOSTS)
    )
    identities = [
        *([_home(settings.identity_file)] if settings.identity_file else []),
        *files.each("identityfile"),
    ]
    command = _one(options, "proxycommand")
    return Target(
        alias=alias,
        address=address,
        port=port,
        user=user,
        address_family=_one(options, "addressfamily").lower() or "any",
        bind_address=_one(options, "bindaddress"),
        attempts=_number(options, "connectionattempts", 1),
        identity_files=tuple(dict.fromkeys(identities)),
        certificate_files=files.each("certificatefile"),
        identities_only=_is_yes(options, "identitiesonly"),
        keys_allowed=_keys_allowed(options),
        agent=_agent(options, tokens),
        batch=_is_yes(options, "batchmode"),
        known_hosts=(*ours, *files.listed("globalknownhostsfile", _GLOBAL_KNOWN_HOSTS)),
        accepting=next((path for path in ours if path != os.devnull), ""),
        known_hosts_command=_argv(_one(options, "knownhostscommand")),
        revoked_host_keys=tuple(files.listed("revokedhostkeys", ())),
        host_key_alias=_one(options, "hostkeyalias"),
        algorithms=_algorithms(options),
        proxy_command="" if command.lower() == "none" else with_tokens(command, tokens),
        tokens=tokens,
        options=options,
    )


@dataclass(frozen=True, slots=True)
class _Files:
    """Finds the files that a configuration names."""

    options: Options
    tokens: Mapping[str, str]

    def each(self, key: str) -> tuple[str, ...]:
        """Find those of a directive that is given once for each file."""
        default = _IDENTITIES if key == "identityfile" else ()
        said = [path for path in self.options.get(key, default) if path.lower() != "none"]
        return tuple(_expanded(path, self.tokens) for path in said)

    def listed(self, key: str, default: tuple[str, ...]) -> list[str]:
        """Find those of a directive that lists them; ssh -G prints the path that has a blank as it is."""
        value = _one(self.options, key)
        if value.lower() == "none":
            return []
        whole = _expanded(value, self.tokens)
        if value and Path(whole).is_file():
            return [whole]
        return [_expanded(path, self.tokens) for path in (value.split() or default)]


def _algorithms(options: Options) -> Algorithms:
    def names(key: str) -> tuple[str, ...]:
        said = _one(options, key)
        # Changes to the default list, which ssh makes; where there is no ssh, paramiko's own count.
        return () if said.startswith(("+", "-", "^")) else tuple(filter(None, said.split(",")))

    return Algorithms(
        ciphers=names("ciphers"),
        macs=names("macs"),
        key_exchange=names("kexalgorithms"),
        host_keys=names("hostkeyalgorithms"),
        user_keys=names("pubkeyacceptedalgorithms") or names("pubkeyacceptedkeytypes"),
        compression=_is_yes(options, "compression"),
        least_rsa_bits=_number(options, "requiredrsasize", _LEAST_RSA_BITS),
    )


def _keys_allowed(options: Options) -> bool:
    methods = _one(options, "preferredauthentications").lower()
    wanted = not methods or "publickey" in methods.split(",")
    return wanted and _one(options, "pubkeyauthentication").lower() not in ("no", "false")


def _agent(options: Options, tokens: Mapping[str, str]) -> str | None:
    """Read IdentityAgent: none, a path, or a variable's name, which is SSH_AUTH_SOCK or stands behind a dollar."""
    said = _one(options, "identityagent").strip('"')  # which ssh takes away, and paramiko's reader does not
    if said.lower() == "none":
        return None
    if said in ("", _AGENT_VARIABLE):
        return f"${_AGENT_VARIABLE}"
    return said if re.fullmatch(r"\$\w+", said) else _expanded(said, tokens)


def _argv(command: str) -> tuple[str, ...]:
    if command.lower() in ("", "none"):
        return ()
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise NodeprovError(
            f"cannot understand KnownHostsCommand {command!r}: {error}", "look at its quotes"
        ) from None


def _trusting(target: Target, files: tuple[str, ...]) -> Target:
    trusted = tuple(dict.fromkeys([*files, *target.known_hosts]))
    return replace(target, known_hosts=trusted, accepting=next(iter(files), target.accepting))


def _one(options: Options, key: str) -> str:
    return next(iter(options.get(key, ())), "")


def _is_yes(options: Options, key: str) -> bool:
    return _one(options, key).lower() in ("yes", "true")


def _number(options: Options, key: str, default: int) -> int:
    said = _one(options, key)
    return int(said) if said.isdecimal() else default


def _expanded(path: str, tokens: Mapping[str, str]) -> str:
    return _home(with_variables(path, tokens))


def with_tokens(text: str, tokens: Mapping[str, str]) -> str:
    """Replace OpenSSH's tokens (ssh_config(5), TOKENS); what is unknown stays."""
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)


def with_variables(text: str, tokens: Mapping[str, str]) -> str:
    """Replace tokens, and ${VARIABLES} where no shell does (ENVIRONMENT VARIABLES there), in one pass."""

    def value(match: re.Match[str]) -> str:
        return os.environ.get(match[1], match[0]) if match[1] else tokens.get(match[2], match[0])

    return re.sub(r"\$\{(\w+)\}|%(.)", value, text)


def our_name() -> str:
    """Name who we are; a container may run as somebody who has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and since
        return str(os.getuid())


def _tokens(alias: str, address: str, port: int, user: str, options: Options) -> Mapping[str, str]:
    here, jump = socket.gethostname(), _one(options, "proxyjump")
    jump = "" if jump.lower() == "none" else jump
    return {
        "%": "%",
        "C": hashlib.sha1(f"{here}{address}{port}{user}{jump}".encode(), usedforsecurity=False).hexdigest(),
        "d": str(Path.home()),
        "h": address,
        "i": str(os.getuid()),
        "j": jump,
        "k": _one(options, "hostkeyalias") or alias,
        "L": here.partition(".")[0],
        "l": here,
        "n": alias,
        "p": str(port),
        "r": user,
        "u": our_name(),
    }


def _home(path: str) -> str:
    return str(expanded(path))


def lookup_by(config_file: str | None) -> Lookup:
    """Choose a reader of the configuration: OpenSSH if it is installed, else fabric, which ignores Include."""
    path = str(expanded(config_file)) if config_file else None
    if path and (Path(path).is_dir() or not Path(path).exists()):  # /dev/null is one
        raise NodeprovError(f"there is no ssh configuration {path}", "correct [ssh] config_file in the inventory")
    reader = ask_openssh if shutil.which("ssh") else ask_fabric
    return lambda alias, user, port: reader(path, alias, user, port)


def ask_openssh(path: str | None, alias: str, user: str | None, port: int | None) -> Options:
    """Ask `ssh -G`; what OpenSSH does without any configuration is left out.

    A configuration that says the same of every host is asked about once, and again if its files change.
    """
    more = (*(("-F", path) if path else ()), *(("-l", user) if user else ()), *(("-p", str(port)) if port else ()))
    plain = plain_config.stamps(path) if _NAME.fullmatch(alias) else None
    if plain is None:
        return _besides_defaults(_printed(*more, "--", alias))
    try:
        with _asking:
            found = plain_config.remembered(
                (*more, str(os.getuid())), plain, lambda: _besides_defaults(_printed(*more, "--", _ANY))
            )
    except NodeprovError:  # said of the machine that is meant
        return _besides_defaults(_printed(*more, "--", alias))
    return {**found, "hostname": [alias.lower()]}


def _besides_defaults(found: Options) -> Options:
    default, always = _openssh_defaults(), ("hostname", "port", "user")
    return {
        key: [*values]
        for key, values in found.items()
        if key in always or (key != "host" and values != default.get(key))
    }


@lru_cache(maxsize=1)
def _openssh_defaults() -> Options:
    return _printed("-F", "none", "--", _ANY)


def _printed(*arguments: str) -> Options:
    output = run_program(["ssh", "-G", "-T", *arguments], timeout_seconds=_TIMEOUT_SECONDS)
    if output.returncode != 0:
        hint = f"try: ssh -G {arguments[-1]}"
        raise NodeprovError(f"ssh cannot read its configuration: {output.said}", hint)
    options: dict[str, list[str]] = {}
    for line in output.text.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key.lower(), []).append(value)
    return options


def ask_fabric(path: str | None, alias: str, user: str | None, port: int | None) -> Options:
    """Read ~/.ssh/config and /etc/ssh/ssh_config, or only the file that is named."""
    import invoke
    import paramiko.config  # noqa: TID251
    from fabric import Config  # noqa: TID251  the one place: 150 ms that others save

    vars(paramiko.config)["invoke"] = invoke  # which it was imported without
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
