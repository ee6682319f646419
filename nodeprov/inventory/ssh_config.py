"""The directives that `ssh -G` prints: which are followed, which named when a login fails, which no part of it.

Held against dump_client_config() in readconf.c of OpenSSH 8.4 to 10.5, and Debian's patch for GSSAPI.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Options = Mapping[str, Sequence[str]]
"""Keywords in lower case, each with its values; one that may be given once has one."""


class Fate(Enum):
    """What becomes of a directive."""

    FOLLOWED = "Followed"
    NAMED = "Not followed, and named in the message when it is set and a login fails where it could matter"
    APART = "No part of a login, and without effect"


class Stage(Enum):
    """How far a login had come when it failed."""

    REACHING = "reaching"
    HOST_KEY = "the host's key"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Rule:
    """Directives that have one fate.

    Args:
        names: as ssh_config(5) writes them, and as older releases of OpenSSH did.
        fate: what becomes of them.
        doc: what nodeprov does, or what to do instead.
        stages: where a login may fail because these are not followed.
        harmless: values besides `no` and `none`, in lower case, that nodeprov need not follow to do the same.
    """

    names: tuple[str, ...]
    fate: Fate
    doc: str
    stages: tuple[Stage, ...] = ()
    harmless: tuple[str, ...] = ()


_OFF = ("", "no", "none", "false")

RULES = (
    Rule(("Host", "HostName", "Port", "User"), Fate.FOLLOWED, "`[ssh] address`, `port` and `user` go first."),
    Rule(
        (
            "CanonicalDomains",
            "CanonicalizeFallbackLocal",
            "CanonicalizeHostname",
            "CanonicalizeMaxDots",
            "CanonicalizePermittedCNAMEs",
            "IgnoreUnknown",
            "Tag",
        ),
        Fate.FOLLOWED,
        "`ssh -G` itself does.",
    ),
    Rule(("AddressFamily", "BindAddress", "ConnectionAttempts"), Fate.FOLLOWED, "For each machine of the way."),
    Rule(("ProxyCommand", "ProxyJump"), Fate.FOLLOWED, "Each jump host has its own configuration."),
    Rule(("Ciphers", "KexAlgorithms", "MACs", "Compression"), Fate.FOLLOWED, "As far as paramiko knows them."),
    Rule(
        ("HostKeyAlgorithms", "HostKeyAlias", "GlobalKnownHostsFile", "RevokedHostKeys", "UserKnownHostsFile"),
        Fate.FOLLOWED,
        "`[ssh] known_hosts` replaces UserKnownHostsFile.",
    ),
    Rule(
        ("KnownHostsCommand",),
        Fate.FOLLOWED,
        "Its keys are trusted besides those of the files; if it fails, no key is.",
    ),
    Rule(
        ("IdentityAgent", "IdentitiesOnly", "IdentityFile", "CertificateFile"),
        Fate.FOLLOWED,
        "`[ssh] identity_file` is tried first.",
    ),
    Rule(
        ("PubkeyAuthentication", "PreferredAuthentications"),
        Fate.FOLLOWED,
        "If they leave out `publickey`, no key is offered.",
    ),
    Rule(
        ("PubkeyAcceptedAlgorithms", "PubkeyAcceptedKeyTypes", "RequiredRSASize"),
        Fate.FOLLOWED,
        "Other keys are not offered, and a host's shorter RSA key is refused.",
    ),
    Rule(("BatchMode",), Fate.FOLLOWED, "With `yes`, no passphrase is asked for."),
    Rule(("BindInterface",), Fate.NAMED, "use BindAddress", (Stage.REACHING,)),
    Rule(
        ("ConnectTimeout",),
        Fate.NAMED,
        "[ssh] connect_timeout_seconds counts",
        (Stage.REACHING, Stage.LOGIN),
    ),
    Rule(
        ("ProxyUseFdpass",),
        Fate.NAMED,
        "use a ProxyCommand that carries the connection itself",
        (Stage.REACHING,),
    ),
    Rule(
        ("ControlPath",),
        Fate.NAMED,
        "nodeprov makes a connection of its own, also where ssh shares one",
        (Stage.REACHING, Stage.LOGIN),
    ),
    Rule(
        ("StrictHostKeyChecking",),
        Fate.NAMED,
        "a key that is not known is never accepted",
        (Stage.HOST_KEY,),
        ("true", "yes", "ask"),
    ),
    Rule(
        ("NoHostAuthenticationForLocalhost",),
        Fate.NAMED,
        "every host's key is checked",
        (Stage.HOST_KEY,),
    ),
    Rule(("VerifyHostKeyDNS",), Fate.NAMED, "keys in the DNS are not asked for", (Stage.HOST_KEY,)),
    Rule(
        ("GSSAPIAuthentication",),
        Fate.NAMED,
        "nodeprov has keys alone, no Kerberos",
        (Stage.LOGIN,),
    ),
    Rule(
        ("GSSAPIKeyExchange",), Fate.NAMED, "nodeprov has keys alone, no Kerberos", (Stage.HOST_KEY, Stage.LOGIN)
    ),
    Rule(
        ("HostbasedAuthentication",),
        Fate.NAMED,
        "the user's own keys count, not this machine's",
        (Stage.LOGIN,),
    ),
    Rule(
        ("PKCS11Provider",),
        Fate.NAMED,
        "give the token's keys to an agent: ssh-add -s PROVIDER",
        (Stage.LOGIN,),
    ),
    Rule(
        ("SecurityKeyProvider",),
        Fate.NAMED,
        "give the FIDO key to an agent: ssh-add -S PROVIDER KEY",
        (Stage.LOGIN,),
        ("internal", "$ssh_sk_provider"),
    ),
    Rule(
        ("KbdInteractiveAuthentication", "ChallengeResponseAuthentication", "PasswordAuthentication"),
        Fate.NAMED,
        "nodeprov logs in by a key; a server that wants a password or a code is named with what it wants",
    ),
    Rule(("ControlMaster", "ControlPersist"), Fate.APART, "nodeprov makes a connection of its own."),
    Rule(
        (
            "GSSAPIClientIdentity",
            "GSSAPIDelegateCredentials",
            "GSSAPIKexAlgorithms",
            "GSSAPIRenewalForcesRekey",
            "GSSAPIServerIdentity",
            "GSSAPITrustDNS",
        ),
        Fate.APART,
        "They configure GSSAPIAuthentication, which nodeprov does not use.",
    ),
    Rule(
        ("EnableSSHKeysign", "HostbasedAcceptedAlgorithms", "HostbasedKeyTypes"),
        Fate.APART,
        "They configure HostbasedAuthentication, which nodeprov does not use.",
    ),
    Rule(
        ("KbdInteractiveDevices", "NumberOfPasswordPrompts"),
        Fate.APART,
        "Only a passphrase is asked for, once.",
    ),
    Rule(("CASignatureAlgorithms",), Fate.APART, "Certificates of hosts (`@cert-authority`) are not supported."),
    Rule(
        ("CheckHostIP",), Fate.APART, "The key is looked up by the host's name alone, as OpenSSH does since 8.5."
    ),
    Rule(
        ("AddKeysToAgent", "HashKnownHosts", "UpdateHostkeys"),
        Fate.APART,
        "nodeprov gives nothing to an agent, and writes no known_hosts file.",
    ),
    Rule(
        (
            "ClearAllForwardings",
            "DynamicForward",
            "ExitOnForwardFailure",
            "ForwardAgent",
            "ForwardX11",
            "ForwardX11Timeout",
            "ForwardX11Trusted",
            "GatewayPorts",
            "LocalForward",
            "PermitRemoteOpen",
            "RemoteForward",
            "StreamLocalBindMask",
            "StreamLocalBindUnlink",
            "Tunnel",
            "TunnelDevice",
            "XAuthLocation",
        ),
        Fate.APART,
        "Nothing is forwarded, neither the agent nor ports nor a display.",
    ),
    Rule(
        (
            "EnableEscapeCommandline",
            "EscapeChar",
            "ForkAfterAuthentication",
            "LocalCommand",
            "PermitLocalCommand",
            "RemoteCommand",
            "RequestTTY",
            "SendEnv",
            "SessionType",
            "SetEnv",
            "StdinNull",
        ),
        Fate.APART,
        "nodeprov runs commands of its own, without a terminal, and sends no environment.",
    ),
    Rule(
        (
            "ChannelTimeout",
            "IPQoS",
            "ObscureKeystrokeTiming",
            "RekeyLimit",
            "ServerAliveCountMax",
            "ServerAliveInterval",
            "TCPKeepAlive",
            "VersionAddendum",
        ),
        Fate.APART,
        "How an open connection is kept; nodeprov gives a sign of life every 15 s.",
    ),
    Rule(
        ("FingerprintHash", "LogLevel", "LogVerbose", "SyslogFacility", "VisualHostKey", "WarnWeakCrypto"),
        Fate.APART,
        "What ssh shows; nodeprov has messages of its own, with fingerprints by SHA256.",
    ),
)


def not_followed(options: Options, stage: Stage) -> tuple[str, ...]:
    """Name what is set in a configuration, is not followed, and may be why a login failed.

    Args:
        options: what is set besides OpenSSH's own defaults.
        stage: how far the login had come.
    """
    return tuple(f"{name} {value} ({rule.doc})" for rule, name, value in _set(options) if stage in rule.stages)


def _set(options: Options) -> Iterator[tuple[Rule, str, str]]:
    for rule in RULES:
        for name in rule.names:
            value = " ".join(options.get(name.lower(), ()))
            if rule.fate is Fate.NAMED and value.lower() not in (*_OFF, *rule.harmless):
                yield rule, name, value
