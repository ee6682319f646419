"""Logging in to one machine: without a key where the server asks for none, else with the user's keys."""

from collections.abc import Iterator, Sequence

import paramiko  # noqa: TID251
from paramiko.agent import AgentKey  # noqa: TID251

from nodeprov.errors import NodeprovError
from nodeprov.hosts.passwords import Passwords
from nodeprov.hosts.route import Target
from nodeprov.hosts.ssh.agents import OpenAgent, opened, socket_of, trouble
from nodeprov.hosts.ssh.identities import (
    certificates,
    certifies,
    is_certificate,
    is_there,
    loaded,
    public_part,
    remedy,
    why_not,
    with_certificate,
)
from nodeprov.hosts.ssh.words import Listening, let_in, quoted

_KEY = "publickey"
_SHOWN = 3

Offer = tuple[str, paramiko.PKey]
"""What a key is called in a message, and the key."""
SET_IN_INVENTORY = "set user and identity_file in the inventory"
"""What to do where nobody is let in; `nodeprov init`, which writes the inventory, has options for it."""


class Login:
    """Logs in to one machine; paramiko calls it when the host's key is proven.

    First `none`, as ssh does: it may be enough, and the answer names the ways that are offered (RFC 4252, 5.2).
    Then the agent's keys that are configured for the machine, key files, what else the agent has, and at last the
    files that a person must unlock: nobody is asked for what was not needed.
    """

    def __init__(self, target: Target, passwords: Passwords, *, connect_timeout_seconds: int) -> None:
        self._target = target
        self._passwords = passwords
        self._connect_timeout_seconds = connect_timeout_seconds
        self._tried: list[str] = []
        self._locked: list[str] = []
        self._useless: list[str] = []
        self._not_offered: list[str] = []
        self._agent_trouble = ""
        self._banner = ""

    def authenticate(self, transport: Listening) -> None:
        """Log in, or raise NodeprovError."""
        if self._needs_nothing(transport):
            return
        agent = self._agent()
        try:
            for said, key in self._keys(agent):
                self._tried.append(said)
                if self._accepts(transport, key):
                    return
        finally:
            if agent:
                agent.close()
        raise self._refused()

    def _needs_nothing(self, transport: Listening) -> bool:
        try:
            more = let_in(transport, self._target.user)
        except paramiko.BadAuthenticationType as error:
            more = error.allowed_types
        except (paramiko.SSHException, EOFError) as error:
            raise self._no_answer(transport, error) from None
        self._banner = transport.banner
        if more and _KEY not in more:
            raise self._wants(more)
        return not more

    def _accepts(self, transport: Listening, key: paramiko.PKey) -> bool:
        try:
            more = let_in(transport, self._target.user, key)
        except paramiko.BadAuthenticationType as error:
            raise self._wants(error.allowed_types) from None
        except (paramiko.SSHException, EOFError) as error:  # an agent that cannot sign with it, too
            self._banner = transport.banner or self._banner
            if transport.is_active() and not _is_late(error):
                return False
            raise self._no_answer(transport, error) from None
        if more:
            raise NodeprovError(
                f"its key is not enough for {self._target.user}: the server wants {', '.join(more)} too",
                "let this user in by a key alone",
            )
        return True

    def _agent(self) -> OpenAgent | None:
        path = socket_of(self._target.agent)
        if not path:
            return None
        try:
            return opened(path, self._connect_timeout_seconds)
        except (OSError, paramiko.SSHException) as error:
            self._agent_trouble = trouble(path, error)
            return None

    def _keys(self, agent: OpenAgent | None) -> Iterator[Offer]:
        if not self._target.keys_allowed:
            return
        for said, key in self._all_keys(agent):
            if self._may_be_offered(key):
                yield said, key
            else:
                self._not_offered.append(said)

    def _all_keys(self, agent: OpenAgent | None) -> Iterator[Offer]:
        files = [path for path in self._target.identity_files if is_there(path)]
        held = agent.keys if agent else ()
        ours = {path: [key for key in held if _is_of(key, public_part(path))] for path in files}
        for path in files:
            yield from self._of_agent(ours[path])
        locked = []
        for path in files:
            if ours[path]:
                continue
            try:
                yield from self._of_file(path)
            except paramiko.PasswordRequiredException:
                locked.append(path)
        if not self._target.identities_only:
            used = {id(key) for keys in ours.values() for key in keys}
            yield from self._of_agent([key for key in held if id(key) not in used])
        for path in locked:
            yield from self._unlocked(path)

    def _of_agent(self, keys: list[AgentKey]) -> Iterator[Offer]:
        """Offer what the agent has, with the certificates of CertificateFile.

        paramiko shows the key alone where an agent has a certificate for an RSA key, and no server takes that.
        """
        for key in keys:
            for certificate in certificates(self._target.certificate_files):
                if certifies(certificate, key.blob):
                    certified = AgentKey(key.agent, key.blob, key.comment)
                    yield f"{_described(key)} with its certificate", with_certificate(certified, certificate)
            yield _described(key), with_certificate(key, key.blob) if is_certificate(key.blob) else key

    def _of_file(self, path: str, passphrase: str | None = None) -> Iterator[Offer]:
        found = certificates((f"{path}-cert.pub", *self._target.certificate_files))
        keys = list(loaded(path, found, passphrase))
        if not keys and passphrase is None:
            self._useless.append(path)
        yield from ((path, key) for key in keys)

    def _unlocked(self, path: str) -> Iterator[Offer]:
        passphrase = None if self._target.batch else self._passwords.passphrase(path)
        if passphrase is None:
            self._locked.append(path)
            return
        offers = list(self._of_file(path, passphrase))
        if not offers:
            raise NodeprovError(f"the passphrase does not open {path}", f"try it: ssh-keygen -y -f {path}")
        yield from offers

    def _may_be_offered(self, key: paramiko.PKey) -> bool:
        """Hold a key against PubkeyAcceptedAlgorithms and RequiredRSASize."""
        wanted, shown = self._target.algorithms, getattr(key, "public_blob", None)
        kind = shown.key_type if shown else key.get_name()
        if "rsa" not in kind:
            return not wanted.user_keys or kind in wanted.user_keys
        bits = key.get_bits() or wanted.least_rsa_bits
        return bits >= wanted.least_rsa_bits and (not wanted.user_keys or "rsa" in " ".join(wanted.user_keys))

    def _refused(self) -> NodeprovError:
        user = self._target.user
        if self._locked:
            locked = ", ".join(self._locked)
            return self._said(
                f"not let in as {user}: {locked} needs its passphrase, and there is no terminal to ask on",
                f"unlock it before: ssh-add {self._locked[0]}",
            )
        useless = [f"{path} {why_not(path)}" for path in self._useless]
        more = "; ".join([*useless, *([self._agent_trouble] if self._agent_trouble else [])])
        hint = f"{SET_IN_INVENTORY}, or start an agent (ssh-add)"
        if self._useless:
            hint = remedy(self._useless[0])
        if self._tried:
            tried = f"not let in as {user} with {', '.join(self._tried)}"
            return self._said(f"{tried}; {more}" if more else tried, hint)
        return self._said(f"not let in as {user}: there is no key to log in with: {more or self._none()}", hint)

    def _none(self) -> str:
        """Say why no key has been tried."""
        if not self._target.keys_allowed:
            return "PubkeyAuthentication or PreferredAuthentications of the ssh configuration rules them out"
        if self._not_offered:
            return (
                f"{', '.join(self._not_offered)} is ruled out by PubkeyAcceptedAlgorithms or RequiredRSASize "
                "of the ssh configuration"
            )
        missing = self._target.identity_files
        shown = ", ".join(missing[:_SHOWN]) + (" and others" if len(missing) > _SHOWN else "")
        return f"no agent has one, and {f'there is none of {shown}' if missing else 'no file is named'}"

    def _wants(self, methods: Sequence[str]) -> NodeprovError:
        return self._said(
            f"it does not accept keys for {self._target.user}, only by {', '.join(methods)}",
            "allow PubkeyAuthentication in its sshd_config",
        )

    def _no_answer(self, transport: Listening, error: Exception) -> NodeprovError:
        """Say of a login that was not answered, or broken off, what the server said of it."""
        self._banner = transport.banner or self._banner
        tried = ", ".join(self._tried[-1:]) or "no key"
        if _is_late(error):
            return self._said(
                f"the login as {self._target.user} with {tried} was not answered within "
                f"{self._connect_timeout_seconds} s",
                "does the server or the agent wait for you (a page to open, a token to touch)? do it, and try "
                "again; if it is only slow, raise [ssh] connect_timeout_seconds in the inventory",
            )
        farewell = quoted("; it says", transport.farewell)
        if len(self._tried) <= 1:
            return self._said(
                f"it hung up while {self._target.user} logged in with {tried}{farewell}",
                "try again; if it stays so, its log says why (journalctl -u ssh), such as a MaxAuthTries of 1",
            )
        return self._said(
            f"it hung up when {len(self._tried)} keys had been tried as {self._target.user}{farewell}",
            "name the right one (identity_file in the inventory, or IdentityFile), and set IdentitiesOnly yes",
        )

    def _said(self, message: str, hint: str) -> NodeprovError:
        """Add what the server shows to those who log in: it may say why, or what to do."""
        return NodeprovError(message + quoted("; it shows", self._banner), hint)


def _is_late(error: Exception) -> bool:
    return "timeout" in str(error).lower()


def _is_of(key: AgentKey, public: bytes) -> bool:
    """Tell whether what an agent has is a key, or a certificate of it."""
    return bool(public) and (key.blob == public or certifies(key.blob, public))


def _described(key: AgentKey) -> str:
    return f"the agent's {key.comment or key.get_name()}"
