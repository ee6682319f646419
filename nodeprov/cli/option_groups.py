"""Options that go together: a command takes a group as one value, and its help shows each (expansion.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from nodeprov.cli import options
from nodeprov.errors import NodeprovError, UsageError

if TYPE_CHECKING:
    from nodeprov.cli.watching import Telling
    from nodeprov.inventory.selection import Selection


@dataclass(frozen=True, slots=True)
class WhichNodes:
    """Which nodes are meant."""

    PANEL: ClassVar = "Nodes"

    nodes: options.Nodes = None
    is_all: options.All = False
    selector: options.Labelled = None
    limit: options.Limit = None

    @property
    def selection(self) -> Selection:
        """Read which nodes are meant; raise UsageError for a selector that is none."""
        return options.which(self.nodes, self.is_all, self.selector, limit=self.limit)


@dataclass(frozen=True, slots=True)
class WhichNodesToRead(WhichNodes):
    """Which nodes are meant by a command that changes nothing: all of them, where none is named."""

    nodes: options.SomeNodes = None

    @property
    def selection(self) -> Selection:
        """Read which nodes are meant; raise UsageError for a selector that is none."""
        return options.which(self.nodes, self.is_all or not self.nodes, self.selector, limit=self.limit)


@dataclass(frozen=True, slots=True)
class Which(WhichNodes):
    """Which nodes, and which of their handlers, are meant."""

    handler: options.Handler = None

    @property
    def selection(self) -> Selection:
        """Read which nodes and handlers are meant; raise UsageError for a selector that is none."""
        return options.which(self.nodes, self.is_all, self.selector, self.handler, self.limit)


@dataclass(frozen=True, slots=True)
class WhichToRead(Which):
    """Which nodes and handlers are meant by a command that changes nothing: all of them, where none is named."""

    nodes: options.SomeNodes = None

    @property
    def selection(self) -> Selection:
        """Read which nodes and handlers are meant; raise UsageError for a selector that is none."""
        is_all = self.is_all or not self.nodes
        return options.which(self.nodes, is_all, self.selector, self.handler, self.limit)


@dataclass(frozen=True, slots=True)
class Waves:
    """How a run goes through its nodes."""

    PANEL: ClassVar = options.ROLLOUT

    canary: options.Canary = None
    soak: options.Soak = None
    max_unavailable: options.MaxUnavailable = None
    max_failures: options.MaxFailures = None
    allow_two_zones: options.AllowTwoZones = False
    window: options.Window = None

    def over(self, sets: Sequence[str] | None) -> list[str]:
        """Add to the values that are set for this run those of a rollout; raise UsageError for what cannot be."""
        from nodeprov.inventory import syntax

        for option, text, kind, example in (
            ("--max-unavailable", self.max_unavailable, syntax.SHARE, "25%"),
            ("--window", self.window, syntax.WINDOW, "02:00-04:00"),
        ):
            if text is not None and not kind.accepts(text):
                raise UsageError(f"{option} is {text!r}, and not {kind.expected}", f"write {option} {example}")
        given = {
            "canary": self.canary,
            "soak_seconds": self.soak,
            "max_unavailable": self.max_unavailable,
            "max_failures": self.max_failures,
            "allow_two_zones": "true" if self.allow_two_zones else None,
            "window": self.window,
        }
        return [*(sets or ()), *(f"rollout.{key}={value}" for key, value in given.items() if value is not None)]


class Skip(Enum):
    """Which nodes a run leaves out, to go on with the others."""

    NONE = ""
    UNREACHABLE = "unreachable"
    UNREADY = "unready"

    def leaves_out(self, error: NodeprovError) -> bool:
        """Tell whether a node is left out for which this error stands."""
        return self is Skip.UNREADY or (self is Skip.UNREACHABLE and error.is_unreached)


@dataclass(frozen=True, slots=True)
class Skipping:
    """Which nodes are left out."""

    PANEL: ClassVar = "Nodes"

    skip_unready: options.SkipUnready = False
    skip_unreachable: options.SkipUnreachable = False

    @property
    def skip(self) -> Skip:
        """Read it: the first one is the second one, too."""
        return Skip.UNREADY if self.skip_unready else Skip.UNREACHABLE if self.skip_unreachable else Skip.NONE


@dataclass(frozen=True, slots=True)
class Configured:
    """Which inventory is meant, and what is set besides."""

    PANEL: ClassVar = "Inventory and access"

    inventory: options.Inventory = None
    sets: options.Set = None


@dataclass(frozen=True, slots=True)
class Access(Configured):
    """By which inventory nodes are reached, and with whose password."""

    ask_sudo_password: options.AskSudoPassword = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a run leaves behind besides its result."""

    PANEL: ClassVar = "Output"

    report: options.Report = None
    events: options.Events = None

    @property
    def telling(self) -> Telling:
        """Read it; raise UsageError for a file that may not be written."""
        return options.telling(self.report, self.events)


@dataclass(frozen=True, slots=True)
class Shown:
    """How much is shown, and in which form."""

    PANEL: ClassVar = "Output"

    as_json: options.Json = False
    _timings: options.Timings = False
    _quiet: options.Quiet = False
    _verbose: options.Verbose = 0
    _no_color: options.NoColor = False
