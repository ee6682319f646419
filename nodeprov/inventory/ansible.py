"""An Ansible inventory as one of ours: what `ansible-inventory --list` prints, and what of it is taken over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nodeprov.errors import UsageError
from nodeprov.inventory import syntax
from nodeprov.inventory.faults import Fault, Faulty
from nodeprov.inventory.nodes import Inventory
from nodeprov.inventory.parser import parse
from nodeprov.inventory.settings import NODE_TABLES, TABLES
from nodeprov.toml import key_text, value_text

SETTINGS = "nodeprov"
"""The variable of a host or group that has settings of ours. If any host has it, no others are nodes."""
_KEYS: Mapping[str, tuple[str, ...]] = {
    "address": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "identity_file": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "sudo": ("ansible_become",),
}
"""The keys of ours, each with the variables that say it; the first that is there counts."""
_BY_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
_IGNORED = ("ansible_connection", "ansible_become_method", "ansible_become_user")
"""Looked at by their values."""
_OF_THE_WAY = (
    *("ansible_ssh_", "ansible_become", "ansible_sudo", "ansible_paramiko_", "ansible_password"),
    *("ansible_host_key_checking", "ansible_pipelining", "ansible_scp_", "ansible_sftp_", "ansible_control_path"),
)
"""Variables that begin so say how a host is reached: those of them that are not known are named."""
_YES, _NO = ("true", "yes", "on", "1", "y", "t"), ("false", "no", "off", "0", "n", "f")
_SECRETS = "passwords are not read: log in by a key; --ask-sudo-password asks for sudo's"
_OPTIONS = "ProxyJump and other options of OpenSSH belong into ~/.ssh/config, which nodeprov follows"
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Listing:
    """What Ansible says: the variables of each host, and the hosts of each group, those of its children too."""

    variables: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is not taken over: of which hosts, and what to do instead."""

    what: str
    hosts: tuple[str, ...]
    hint: str

    def __str__(self) -> str:
        more = f" and {len(self.hosts) - MOST_NAMED} more" if len(self.hosts) > MOST_NAMED else ""
        return f"{self.what}: {', '.join(self.hosts[:MOST_NAMED])}{more}; {self.hint}"


def read_listing(value: Mapping[str, Any], path: str) -> Listing:
    """Take apart what `ansible-inventory --list` has printed; raise UsageError if it is not understood."""
    try:
        variables = {name: dict(said) for name, said in value["_meta"]["hostvars"].items()}
        names = [name for name in value if name != "_meta"]
        groups = {name: tuple(dict.fromkeys(_members(value, name, ()))) for name in names}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"what ansible-inventory has printed is not understood: {type(error).__name__}: {error}",
            f"look at it: ansible-inventory -i {path} --list",
            where=path,
        ) from None
    every = {host: variables.get(host, {}) for members in groups.values() for host in members}
    return Listing(
        {**every, **variables}, {name: groups[name] for name in names if name not in ("all", "ungrouped")}
    )


def _members(value: Mapping[str, Any], group: str, above: Sequence[str]) -> Iterator[str]:
    """List the hosts of a group and of those below it."""
    if group in above:
        raise ValueError(f"the group {group} is below itself")
    own = value.get(group, {})
    yield from own.get("hosts", [])
    for child in own.get("children", []):
        yield from _members(value, child, (*above, group))


def inventory_of(
    listing: Listing, path: str, *, environment: Mapping[str, str], options: Sequence[str]
) -> tuple[Inventory, tuple[Note, ...]]:
    """Make an inventory of a listing, and say what is not taken over.

    Raises Faulty with all that is wrong, and UsageError where hosts contradict each other.
    """
    reading = _Reading(listing)
    text = reading.text(path)
    try:
        found = parse(text, path, environment=environment, options=options)
    except Faulty as faulty:
        # The lines are of a text that nobody has seen.
        raise Faulty([_typed(each) for each in faulty.faults], "", path) from None
    return replace(found, text=""), tuple(reading.notes())


def _typed(fault: Fault) -> Fault:
    """Say what to type where it is not a line of TOML."""
    if fault.path == ("release",) and "version is missing" in fault.message:
        said = "--set release.version=20260905.0, or in group_vars: nodeprov: {release: {version: '20260905.0'}}"
        return replace(fault, hint=said)
    if not fault.path:
        return replace(fault, hint="look at what Ansible knows: ansible-inventory --graph")
    return fault


class _Reading:
    """One listing: the TOML of its nodes, and what is left out, by why."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._left: dict[tuple[str, str], list[str]] = {}

    def notes(self) -> Iterator[Note]:
        """Say what is not taken over, each with its hosts."""
        for (what, hint), hosts in self._left.items():
            yield Note(what, tuple(hosts), hint)

    def text(self, path: str) -> str:
        """Write the nodes as an inventory of ours."""
        some_are_named = any(SETTINGS in said for said in self._listing.variables.values())
        nodes: dict[str, dict[str, Any]] = {}
        shared: dict[str, tuple[str, Any]] = {}
        for host, said in self._listing.variables.items():
            if not self._is_node(host, said, some_are_named=some_are_named):
                continue
            ours = _without_null(said.get(SETTINGS) or {})
            if not isinstance(ours, dict):
                raise UsageError(
                    f"the variable {SETTINGS} of {host} is not a table",
                    "write it as nodeprov: {release: {version: '20260905.0'}}",
                    where=path,
                )
            for table in [name for name in ours if name in TABLES and name not in (*NODE_TABLES, "ssh")]:
                first, value = shared.setdefault(table, (host, ours[table]))
                if ours.pop(table) != value:
                    raise UsageError(
                        f"{host} has another [{table}] than {first}, and it is one for all nodes",
                        f"say it once, in group_vars of all of them: {SETTINGS}: {{{table}: {{...}}}}",
                        where=path,
                    )
            nodes[host] = {**dict(self._ssh(host, said)), **ours}
        lines = [f"{key_text((table,))} = {value_text(value)}" for table, (_, value) in shared.items()]
        lines += [f"{key_text(('nodes', name))} = {value_text(said)}" for name, said in nodes.items()]
        return "\n".join([*lines, *self._groups(nodes)]) + "\n"

    def _groups(self, nodes: Mapping[str, Any]) -> Iterator[str]:
        for group, hosts in self._listing.groups.items():
            members = [host for host in hosts if host in nodes]
            if members and not syntax.GROUP.accepts(group):
                self._leave("groups that @ cannot name", "a name has letters, digits, - and _", group)
            elif members:
                yield f"{key_text(('groups', group))} = {value_text({'nodes': members})}"

    def _is_node(self, host: str, said: Mapping[str, Any], *, some_are_named: bool) -> bool:
        connection = _short(said.get("ansible_connection", "ssh"))
        if some_are_named and SETTINGS not in said:
            why = (
                f"hosts without the variable {SETTINGS} are not nodes",
                "set it in group_vars of those that are",
            )
        elif not syntax.DNS_SUBDOMAIN.accepts(host):
            why = ("hosts left out, as no node of Kubernetes has such a name", "name them as the cluster does")
        elif connection not in _BY_SSH:
            why = (f"hosts left out, as ansible_connection is {connection!r:.40}", "nodeprov reaches nodes by SSH")
        elif any(_is_unresolved(said.get(name)) for name in _KEYS["address"]):
            why = ("hosts left out, as their ansible_host is a template or a secret", "write the address itself")
        else:
            return True
        self._leave(*why, host)
        return False

    def _ssh(self, host: str, said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Take over how a host is reached, and note what cannot be."""
        for key, names in _KEYS.items():
            known = [name for name in names if said.get(name) is not None]
            if known and _is_unresolved(said[known[0]]):
                self._leave(f"{known[0]} is a template or a secret, and not read", "write the value itself", host)
            elif known:
                yield key, _value(key, said[known[0]])
        taken = {name for names in _KEYS.values() for name in names}
        for name in said:
            if name.startswith(_OF_THE_WAY) and name not in taken and name not in _IGNORED:
                hint = _SECRETS if "pass" in name else _OPTIONS
                self._leave(f"{name} is not taken over", hint, host)
        if _short(said.get("ansible_become_method", "sudo")) != "sudo":
            self._leave("ansible_become_method is not taken over", "nodeprov uses sudo", host)
        if said.get("ansible_become_user", "root") != "root":
            self._leave("ansible_become_user is not taken over", "nodeprov becomes root", host)

    def _leave(self, what: str, hint: str, host: str) -> None:
        self._left.setdefault((what, hint), []).append(host)


def _short(plugin: Any) -> str:
    """Name one of Ansible's own plugins as it was named before there were collections."""
    return str(plugin).removeprefix("ansible.builtin.")


def _is_unresolved(value: Any) -> bool:
    """Tell whether only a play could say what it is: a template, or what a vault holds."""
    return isinstance(value, Mapping) or (isinstance(value, str) and ("{{" in value or "{%" in value))


def _value(key: str, value: Any) -> Any:
    """Turn what an INI file can only say as a string into what it means."""
    text = str(value).strip().lower()
    if key == "port" and text.isascii() and text.isdigit():
        return int(text)
    if key == "sudo" and text in (*_YES, *_NO):
        return text in _YES
    return value


def _without_null(value: Any) -> Any:
    """Leave out what is null: TOML has no such value."""
    if isinstance(value, Mapping):
        return {str(name): _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value if each is not None] if isinstance(value, list) else value
