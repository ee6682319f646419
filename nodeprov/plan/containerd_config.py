"""containerd's configuration file, with a check before each change."""

import base64
import posixpath
from dataclasses import dataclass, field, replace
from typing import ClassVar

from nodeprov import containerd
from nodeprov.containerd import Config, Runtime, differences, import_patterns
from nodeprov.containerd.distributions.distribution import How
from nodeprov.containerd.distributions.editing import expanded, template_declares
from nodeprov.containerd.words import last_words
from nodeprov.errors import NodeprovError, placed
from nodeprov.hosts.base import Host, Output, Script
from nodeprov.plan.files import File, FileAt
from nodeprov.redaction import redacted
from nodeprov.states import FileState
from nodeprov.templates import render

GATE = "gate"
"""The name of the scripts that have containerd read a candidate."""
DUMP_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What containerd reads: of its configuration as it is, and with a candidate in it ("" if it refuses that)."""

    before: Config
    after: Config
    said: str


def parse_reading(output: Output) -> Reading:
    """Parse what a gate's script prints: both texts in base64, a line each."""
    lines = (output.text + "\n\n").split("\n")[:2]
    before, after = (Config(base64.b64decode(line).decode()) for line in lines)
    said = redacted(output.stderr.decode(errors="backslashreplace"))
    return Reading(before, after, last_words(said) or "it printed nothing")


def reading_text(before: str, after: str) -> bytes:
    """Print as a gate's script would."""
    return b"".join(base64.b64encode(each.encode()) + b"\n" for each in (before, after))


@dataclass(frozen=True, slots=True)
class ContainerdConfig(File):
    """containerd's configuration file: a file, and a gate before its swap."""

    swapped: ClassVar[bool] = True
    runtime: Runtime
    binary: str
    """The containerd on disk: the one that a restart would start."""
    besides: tuple[Runtime, ...] = field(default=(), kw_only=True)
    """Other runtimes of ours whose tables the same edit puts in or takes out."""

    @property
    def runtimes(self) -> tuple[Runtime, ...]:
        """All whose tables the edit may touch."""
        return (self.runtime, *self.besides)

    def write(self, host: Host, state: FileState | None) -> None:
        """Give it a state, if that is allowed."""
        self.allow(host, state)
        self.restore(host, state)

    def restore(self, host: Host, state: FileState | None) -> None:
        """Give it back a state that containerd has accepted before."""
        File.write(self, host, state)

    def allow(self, host: Host, state: FileState | None) -> None:
        """Raise NodeprovError unless the daemon's own reading of the candidate differs from today's by our table.

        `containerd config dump` alone is no gate: it exits 0 for a candidate that does not exist, and reads
        imports relative to the candidate's folder. So the candidate lies beside the file, and its output is
        compared with that of the file as it is.
        """
        if state is not None:
            self.gate(host, self.path, state.content, adds=self.declared(state))

    def to_be_read(self, host: Host, state: FileState | None) -> dict[str, FileState | None]:  # noqa: ARG002  a template asks
        """Say what containerd would read with a state, by the paths of the files."""
        return {self.path: state}

    def gate(self, host: Host, path: str, candidate: bytes, *, adds: tuple[Runtime, ...]) -> None:
        """Have containerd read a candidate; raise NodeprovError if more than nodeprov's tables would change."""
        read = host.run(self.gate_script(path), stdin=candidate, timeout_seconds=DUMP_TIMEOUT_SECONDS)
        with placed(path):
            self._judge(read, adds)

    def gate_script(self, path: str) -> Script[Reading]:
        """Print what containerd reads now, and what it would read with the candidate on standard input."""
        text = render("node/gate.sh.j2", path=path, candidate=candidate_of(path), binary=self.binary)
        return Script(GATE, text, parse_reading)

    def declared(self, state: FileState) -> tuple[Runtime, ...]:
        """Name the runtimes of ours that a state declares."""
        config = Config.of(state.content, self.path)
        return tuple(runtime for runtime in self.runtimes if config.declares(runtime))

    def _judge(self, read: Reading, wanted: tuple[Runtime, ...]) -> None:
        before, after = read.before, read.after
        hint = f"nothing was changed; look at {self.path} and what it imports"
        if not after.text:
            raise NodeprovError(f"containerd does not accept the candidate for {self.path}: {read.said}", hint)
        for expected in wanted:
            if expected.program_of(after.runtime(expected.handler)) != expected.program:
                raise NodeprovError(
                    f"with the candidate for {self.path} containerd would not serve {expected.handler}: "
                    "something that is imported overrides it",
                    hint,
                )
        if missing := after.missing_default_runtime:
            raise NodeprovError(
                f"with the candidate for {self.path} containerd would have no runtime {missing!r}, its default",
                hint,
            )
        if differing := differences(before, after, *self.runtimes):
            raise NodeprovError(
                f"the candidate for {self.path} would change more than nodeprov's table: {', '.join(differing)}",
                hint,
            )


@dataclass(frozen=True, slots=True)
class OwnConfig(ContainerdConfig):
    """A file that the configuration file imports and in which our table is alone."""

    root: str
    """The configuration file."""

    def gate_script(self, path: str) -> Script[Reading]:  # noqa: ARG002  containerd is started with the root file
        """Print what containerd reads now, and what it would read with the candidate on standard input."""
        text = render("node/gate-own.sh.j2", root=self.root, candidate=candidate_of(self.root), binary=self.binary)
        return Script(GATE, text, parse_reading)


@dataclass(frozen=True, slots=True)
class ContainerdSource(ContainerdConfig):
    """What a distribution makes containerd's configuration file of, when it starts: a template or a drop-in."""

    made: str
    """The file that is made of it, which containerd reads."""
    how: How

    def allow(self, host: Host, state: FileState | None) -> None:
        """Raise NodeprovError unless containerd accepts what the distribution will make of a state.

        That it has made it is looked at after the restart. A drop-in of k0s is merged into a file that is yet to
        be made, so there is nothing to try.
        """
        made = self.to_be_read(host, state).get(self.made)
        if state is not None and made is not None:
            self.gate(host, self.made, made.content, adds=self.declared(state))

    def to_be_read(self, host: Host, state: FileState | None) -> dict[str, FileState | None]:
        """Say what will be made of a state; where that cannot be told, today's file with or without our table."""
        found, before = host.ask([FileAt(self.made), FileAt(self.path)])
        if found is None or self.how is How.DROP_IN:
            # k0s had merged drop-ins into a file of its own before containerd 2; since then containerd reads them.
            is_read = found is not None and self._is_imported_by(found)
            return {self.path: state} if is_read else {}
        made = containerd.decode(found.content, self.made)
        text = expanded(self.how, made, self._text(before), self._text(state), self.runtimes)
        if text is None:
            text, declared = made, () if state is None else self.declared(state)
            for runtime in self.runtimes:
                edit = containerd.add_runtime if runtime in declared else containerd.remove_runtime
                text = edit(text, runtime)
        return {self.made: replace(found, content=text.encode())}

    def _is_imported_by(self, found: FileState) -> bool:
        patterns = import_patterns.import_patterns(Config.of(found.content, self.made), self.made)
        return any(import_patterns.matches(pattern, self.path) for pattern in patterns)

    def declared(self, state: FileState) -> tuple[Runtime, ...]:
        """Name the runtimes of ours that a state declares."""
        text = containerd.decode(state.content, self.path)
        if self.how is How.GO_TEMPLATE:
            return tuple(runtime for runtime in self.runtimes if template_declares(text, runtime))
        config = Config(text, self.path)
        return tuple(runtime for runtime in self.runtimes if config.declares(runtime))

    def _text(self, state: FileState | None) -> str | None:
        return None if state is None else containerd.decode(state.content, self.path)


def candidate_of(path: str) -> str:
    """Name the candidate: beside the file, for relative imports, and with no name that an import glob finds."""
    return posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.nodeprov-candidate")
