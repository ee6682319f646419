"""The host keys that a machine may have: of known_hosts files and of KnownHostsCommand, less the revoked ones."""

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from paramiko import PKey  # noqa: TID251

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov.hosts.route import Target, with_variables
from nodeprov.hosts.ssh import known_hosts
from nodeprov.hosts.ssh.known_hosts import Entry, Verdict

_COMMAND = "KnownHostsCommand"
_COMMAND_TIMEOUT_SECONDS = 30.0
_KRL_MAGIC = b"SSHKRL\n\0"


class HostKeys:
    """Judges the key that a machine shows. It reads anew each time: a ProxyCommand may write known_hosts files."""

    def __init__(self, target: Target, previous: Target | None) -> None:
        self._target = target
        self._previous = previous

    def kinds(self) -> frozenset[str]:
        """Name the signatures that the known keys can make: a host may have several keys, and we know one.

        Raises NodeprovError if KnownHostsCommand fails.
        """
        entries = self._entries({"I": "ORDER", "t": "NONE", "f": "NONE", "K": "NONE"})
        return frozenset(kind for entry in entries if entry.is_plain for kind in signatures(entry.kind))

    def check(self, key: PKey) -> None:
        """Return if the key is trusted; raise NodeprovError with the command that accepts it if not."""
        target, blob = self._target, key.asbytes()
        shown = f"{key.get_name()} {_fingerprint(blob)}"
        body = base64.b64encode(blob).decode()
        entries = self._entries({"I": "HOSTNAME", "t": key.get_name(), "f": _fingerprint(blob), "K": body})
        verdict = known_hosts.judge(entries, target.known_as, blob)
        if verdict is Verdict.REVOKED or any(_is_revoked(path, key) for path in target.revoked_host_keys):
            raise NodeprovError(
                f"its host key is revoked: {shown}", "give the machine a new one, and find out why"
            )
        if verdict is Verdict.UNKNOWN:
            raise self._unknown(shown, entries)
        if verdict is Verdict.CHANGED:
            raise self._changed(shown, entries)
        least = target.algorithms.least_rsa_bits
        if key.get_name() == "ssh-rsa" and key.get_bits() < least:
            raise NodeprovError(
                f"its host key is too short: {shown} has {key.get_bits()} bits, and RequiredRSASize is {least}",
                "give the machine another one: ssh-keygen -A",
            )

    def _entries(self, asked: Mapping[str, str]) -> list[Entry]:
        entries = known_hosts.read(self._target.known_hosts)
        if self._target.known_hosts_command:
            entries += known_hosts.parse(self._printed(asked), _COMMAND)
        return [entry for entry in entries if entry.is_of(self._target.known_as)]

    def _printed(self, asked: Mapping[str, str]) -> str:
        """Run KnownHostsCommand, without a shell, as load_hostkeys_command() in sshconnect.c does."""
        program, *arguments = self._target.known_hosts_command
        tokens = {**self._target.tokens, **asked, "H": self._target.known_as}
        argv = [program, *(with_variables(each, tokens) for each in arguments)]
        try:
            output = run_program(argv, timeout_seconds=_COMMAND_TIMEOUT_SECONDS)
        except NodeprovError as error:
            raise self._failed(argv, error.message) from None
        if output.returncode != 0:
            raise self._failed(argv, f"exit status {output.returncode}: {output.said or 'it printed nothing'}")
        return output.text

    def _failed(self, argv: Sequence[str], said: str) -> NodeprovError:
        return NodeprovError(f"{_COMMAND} of the ssh configuration failed: {said}", f"try it: {shlex.join(argv)}")

    def _unknown(self, shown: str, entries: Sequence[Entry]) -> NodeprovError:
        target, name = self._target, self._target.known_as
        path = shlex.quote(target.accepting) if target.accepting else ""
        places = [*([path] if path else []), *([_COMMAND] if target.known_hosts_command else [])]
        message = f"its host key is not known: {shown} ({name} is not in {' nor in '.join(places) or 'any file'})"
        if any(entry.authority for entry in entries):
            message += "; a line for it is @cert-authority, and certificates of hosts are not supported"
        hint = f"compare it with the machine's own, then: {self._scan} >> {path}"
        if not path:
            hint = (
                'set known_hosts = "~/.ssh/known_hosts" below [ssh] in the inventory, compare the key with the '
                f"machine's own, then: {self._scan} >> ~/.ssh/known_hosts"
            )
        return NodeprovError(message, hint)

    def _changed(self, shown: str, entries: Sequence[Entry]) -> NodeprovError:
        name, path = self._target.known_as, next(entry.path for entry in entries if entry.is_plain)
        message = f"the host key has changed: {shown} ({name} has another in {shlex.quote(path)})"
        if path == _COMMAND:
            command = shlex.join(self._target.known_hosts_command)
            return NodeprovError(message, f"find out why; if it is right, correct it where {command} has it from")
        holder = shlex.quote(path)
        return NodeprovError(
            message,
            f"find out why; if it is right: ssh-keygen -f {holder} -R {shlex.quote(name)}, "
            f"and then: {self._scan} >> {holder}",
        )

    @property
    def _scan(self) -> str:
        command = self._target.keyscan
        if self._previous:
            command = f"ssh {self._previous.alias} {command}"
        if self._target.host_key_alias:
            command += f" | sed 's/^[^ ]*/{self._target.host_key_alias}/'"
        return command


def signatures(kind: str) -> tuple[str, ...]:
    """Name the signatures that a kind of key can make (RFC 8332)."""
    return ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if kind == "ssh-rsa" else (kind,)


def _fingerprint(blob: bytes) -> str:
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def _is_revoked(path: str, key: PKey) -> bool:
    """Look into a file of RevokedHostKeys: a KRL, or a list of keys (sshkey_check_revoked() in authfile.c).

    Raises NodeprovError if it cannot be read; then no host is to be trusted, as ssh_config(5) says.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise NodeprovError(
            f"RevokedHostKeys of the ssh configuration cannot be read: {path}: {error.strerror}",
            "correct it there: while it cannot be read, no host is trusted",
        ) from None
    line = f"{key.get_name()} {key.get_base64()}"
    if not content.startswith(_KRL_MAGIC):
        return key.get_base64() in content.decode(errors="replace").split()
    # -Q ends with another status than 0 for a key that is revoked, and where it cannot tell.
    return run_program(["ssh-keygen", "-Q", "-f", path, "/dev/stdin"], stdin=line.encode()).returncode != 0
