"""What a release of gVisor is, beyond its bytes: its flags, its specification, and the containerds it needs."""

import re
from collections.abc import Iterator
from pathlib import Path

from nodeprov.runtimes.family import Traits
from nodeprov.runtimes.gvisor.compatibility import TABLE, Span, release_date
from nodeprov.runtimes.gvisor.flags import answers_of

_SPEC = re.compile(r"^spec: (\S+)$", re.MULTILINE)


def traits_of(program: Path, version: str) -> Traits:
    """Ask a release's runsc, and look its version up in the table of what was tried."""
    answers = answers_of(program)
    limits = tuple(_limits(version))
    if answers is None:
        return Traits("", None, limits)
    spec = _SPEC.search(answers.version)
    return Traits(spec[1] if spec else "", answers.flags, limits)


def _limits(version: str) -> Iterator[str]:
    for row in TABLE:
        if row.reason and release_date(version) in row.releases:
            yield f"not with containerd {_span_text(row.daemons)}: {row.reason}"


def _span_text(span: Span) -> str:
    since, before = (".".join(map(str, each)) if each else "" for each in (span.since, span.before))
    return " ".join(filter(None, (f"from {since}" if since else "", f"before {before}" if before else "")))
