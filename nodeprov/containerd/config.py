"""A configuration of containerd, a file's or a dump's: a text that is parsed once, and how two of them differ."""

import posixpath
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from nodeprov.containerd.runtime import Runtime
from nodeprov.errors import NodeprovError
from nodeprov.toml import Float, KeyPath, key_text

BYTE_ORDER_MARK = "\ufeff"
MOST_BYTES = 1 << 20
"""A full `containerd config default` has twelve thousand."""

# Where the runtimes of the CRI plugin are, by the version that the *file* states. containerd ignores a
# table in another version's place, without a message.
RUNTIMES_PATHS: Mapping[int, KeyPath] = {
    1: ("plugins", "cri", "containerd", "runtimes"),
    2: ("plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes"),
    3: ("plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes"),
    4: ("plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes"),
}
EVERY_PATH = tuple(dict.fromkeys(RUNTIMES_PATHS.values()))
# The newest section first: of a dump it is the one that counts, and 2.x prints an older one too when it knows the
# plugin by both names.
CRI_SECTIONS = tuple(dict.fromkeys(RUNTIMES_PATHS[version][:2] for version in (4, 3, 2, 1)))
# What the CRI service is made of, in 1.x and 2.x; with one of them disabled no pod runs.
CRI_PLUGINS = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images")


class Refused(NodeprovError):
    """The edit cannot be made, or would not do what is meant."""


def decode(content: bytes, path: str = "") -> str:
    """Read a file's bytes as UTF-8; raise Refused for other bytes, and for more than a configuration has."""
    if len(content) > MOST_BYTES:
        raise Refused(
            f"it has {len(content) >> 10} KiB, more than any configuration of containerd",
            "look at what wrote it; nodeprov edits up to 1024 KiB",
            where=path,
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Refused(
            f"line {line} is not UTF-8, and containerd 2 does not start with that",
            "write the file in UTF-8: iconv -f latin1 -t utf8",
            where=path,
        ) from error


@dataclass(frozen=True)  # no slots: the document is kept beside the text
class Config:
    """A configuration of containerd: the text of a file, or what `containerd -c FILE config dump` prints of it.

    The dump is the effective configuration, imports and defaults included. The text is parsed when the first
    question is asked, and only then; every question raises Refused, saying where, if it is not TOML.
    """

    text: str
    path: str = field(default="", compare=False)
    """The file that it is of, which is where its errors are."""

    @classmethod
    def of(cls, content: bytes, path: str) -> Self:
        """Read a file; raises Refused for bytes that are no configuration's."""
        return cls(decode(content, path), path)

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The text as TOML, with or without a byte order mark; not to be changed, for all questions share it."""
        try:
            return tomllib.loads(self.text.removeprefix(BYTE_ORDER_MARK), parse_float=Float)
        except (ValueError, RecursionError) as error:
            message = f"not valid TOML: {error}"
            hint = "containerd cannot start with it: correct it first"
            raise Refused(message, hint, where=self.path) from error

    def table(self, path: KeyPath) -> Mapping[str, Any] | None:
        """Find the table at a path; None if nothing, or something else, is there."""
        return table_at(self.document, path)

    @property
    def stated_version(self) -> int:
        """The version that the file states, 0 if it states none; raises Refused for what is no known one."""
        version = self.document.get("version", 0)
        if not isinstance(version, int) or isinstance(version, bool):
            said = f"version = {version!r} is not a number"
            raise Refused(said, "write it as a number: version = 3", where=self.path)
        if version and version not in RUNTIMES_PATHS:
            message = f"the file states version {version}, which this nodeprov does not know"
            raise Refused(message, "it knows 1 to 4", where=self.path)
        return version

    @property
    def version(self) -> int:
        """The version of the file: 1 where it states 0 or none (server/config/config.go, `GetVersion`)."""
        return self.stated_version or 1

    @property
    def runtimes_path(self) -> KeyPath:
        """Where a file of this version has its runtimes."""
        return RUNTIMES_PATHS[self.version]

    def declared(self, handler: str) -> Mapping[str, Any] | None:
        """Find a handler's table where the file's version has it; None if there is none."""
        return self.table((*self.runtimes_path, handler))

    def declares(self, runtime: Runtime) -> bool:
        """Tell whether a table of the runtime's own stands in the file, in whatever version's place."""
        tables = (self.table((*path, runtime.handler)) for path in EVERY_PATH)
        return any(table is not None and runtime.owns(table) for table in tables)

    @property
    def disabled_cri(self) -> tuple[str, ...]:
        """The parts of the CRI service that the file, or the dump, disables."""
        disabled = self.document.get("disabled_plugins")
        return tuple(each for each in disabled if each in CRI_PLUGINS) if isinstance(disabled, list) else ()

    def runtime(self, handler: str) -> Mapping[str, Any] | None:
        """Find a handler's table as containerd would serve it by this dump; None if it would not.

        A disabled CRI plugin serves nothing, though the dump prints its tables.
        """
        if self.disabled_cri:
            return None
        return table_at(self._cri, ("containerd", "runtimes", handler))

    @property
    def runtimes(self) -> Mapping[str, Mapping[str, Any]]:
        """The table of each runtime that containerd would serve by this dump, by its handler."""
        tables = {} if self.disabled_cri else table_at(self._cri, ("containerd", "runtimes")) or {}
        return {handler: table for handler, table in tables.items() if isinstance(table, Mapping)}

    @property
    def default_runtime(self) -> str:
        """The name of the runtime that pods without a RuntimeClass get."""
        return str((table_at(self._cri, ("containerd",)) or {}).get("default_runtime_name") or "runc")

    @property
    def cgroup_handler(self) -> str | None:
        """The handler that says how cgroups are driven; None where none does.

        containerd asks the default handler, then the others in the order of their names, and takes the first of
        runc's type that has options: nvidia's is one, kata's is not (internal/cri/server/runtime_config_linux.go,
        `getCgroupDriver`; internal/cri/config/config.go, `GenerateRuntimeOptions`).
        """
        names = sorted(self.runtimes, key=lambda name: (name != self.default_runtime, name))
        return next((name for name in names if self._runc_options(name) is not None), None)

    @property
    def systemd_cgroup(self) -> bool | None:
        """Whether that handler has runc drive cgroups by systemd; None where none says how.

        Options are decoded without regard to case. Where two spellings are left in the dump, 2.x decodes them
        sorted, the last one wins: a file's `systemdCgroup = true` beats the default `SystemdCgroup = false`
        (internal/cri/config/config.go, `GenerateRuntimeOptions`).
        """
        if (handler := self.cgroup_handler) is None:
            return None
        options = self._runc_options(handler) or {}
        spelled = sorted(key for key in options if key.lower() == "systemdcgroup")
        return bool(spelled) and options[spelled[-1]] is True

    def _runc_options(self, handler: str) -> Mapping[str, Any] | None:
        """Find what a handler tells runc; None if it is of another type, or tells nothing."""
        table = self.runtimes.get(handler, {})
        return table_at(table, ("options",)) if table.get("runtime_type") in RUNC_TYPES else None

    @property
    def missing_default_runtime(self) -> str | None:
        """The default runtime's name if it is not declared, and the CRI plugin would fail; None if all is well.

        It happens on 1.x, where a file's runtimes take the place of the default ones: one that declares another
        and no runc has no runc (`ValidatePluginConfig`). `containerd config dump` and `ctr version` still succeed.
        """
        if table_at(self._cri, ("containerd",)) is None:
            return None
        name = self.default_runtime
        return None if table_at(self._cri, ("containerd", "runtimes", name)) is not None else name

    @property
    def root(self) -> str:
        """The folder in which containerd keeps what outlives a reboot."""
        value = self.document.get("root")
        return value if isinstance(value, str) and value.startswith("/") else "/var/lib/containerd"

    @property
    def enables_selinux(self) -> bool:
        """Whether the CRI plugin labels for SELinux."""
        return self._cri.get("enable_selinux") is True

    @property
    def snapshotter(self) -> str:
        """The snapshotter that images are unpacked for, where a runtime has none of its own."""
        images = self.table(("plugins", "io.containerd.cri.v1.images")) or {}
        common = table_at(self._cri, ("containerd",)) or {}
        return str(images.get("snapshotter") or common.get("snapshotter") or "overlayfs")

    @property
    def snapshotters(self) -> frozenset[str]:
        """The snapshotters that CRI keeps images and containers in: the common one, and those of runtimes."""
        images = self.table(("plugins", "io.containerd.cri.v1.images")) or {}
        common = table_at(self._cri, ("containerd",)) or {}
        runtimes = (table_at(self._cri, ("containerd", "runtimes")) or {}).values()
        tables = (images, common, *(each for each in runtimes if isinstance(each, Mapping)))
        return frozenset(str(each["snapshotter"]) for each in tables if each.get("snapshotter"))

    @property
    def _cri(self) -> Mapping[str, Any]:
        return next((found for path in CRI_SECTIONS if (found := self.table(path)) is not None), {})


def table_at(document: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any] | None:
    """Find the table at a path; None if nothing, or something else, is there."""
    inner: Any = document
    for part in path:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, Mapping) else None


RUNC_TYPES = ("io.containerd.runc.v2", "io.containerd.runc.v1")
RUNTIMES = tuple((*section, "containerd", "runtimes") for section in CRI_SECTIONS)
IMPORTS = ("imports",)


def differences(before: Config, after: Config, *ours: Runtime) -> tuple[str, ...]:
    """List, as dotted paths, in what two dumps differ apart from our tables; nothing means the change is safe."""
    handlers = {runtime.handler for runtime in ours}
    old, new = (dict(_leaves(each.document, (), handlers)) for each in (before, after))
    if after.document.get("version") == 2:
        _forget_own_name(old, new)
    paths = dict.fromkeys([*old, *new])
    # As Go compares: what is not set is the zero value (runc's options are listed only by default).
    pairs = {path: (old.get(path), new.get(path)) for path in paths}
    return tuple(key_text(path) for path, (was, now) in pairs.items() if was != now and (was or now))


def _leaves(value: Any, path: KeyPath, ours: Collection[str]) -> Iterator[tuple[KeyPath, Any]]:
    """List all values, but those of our handlers' tables."""
    if path and path[-1] in ours and path[:-1] in RUNTIMES:
        return
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, (*path, name), ours)


def _forget_own_name(old: dict[KeyPath, Any], new: dict[KeyPath, Any]) -> None:
    """Leave out of `imports` that the candidate has another name than the file, or that there was no file.

    1.x prints the files it has read, itself among them, in no order (server/config/config.go, `LoadConfig`).
    2.x prints the patterns as they are written, plus its own /etc/containerd/conf.d/*.toml, read or not.
    """
    before, after = set(old.get(IMPORTS, ())), set(new.get(IMPORTS, ()))
    gone, come = sorted(before - after), sorted(after - before)
    is_renamed = len(gone) == 1 and posixpath.dirname(gone[0]) == posixpath.dirname(come[0]) if come else False
    if len(come) == 1 and (is_renamed or not before):
        before = after = set()
    old[IMPORTS], new[IMPORTS] = sorted(before), sorted(after)
