"""The report of a run in Markdown, for a change ticket: who, when, what was changed where, how it was proven."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from nodeprov.errors import NodeprovError
from nodeprov.plan.goal import Change
from nodeprov.plan.steps import Part, Proof
from nodeprov.redaction import redacted, visible
from nodeprov.reports.plan import count_text, diff, headline, part_text, without_name
from nodeprov.reports.run import WORDS, NodeRun, RunRecord, seconds_text

MARK = "<!-- report of a nodeprov run, format 1 -->"
"""The first line of every report: only a file that begins with it is written over."""


def is_report(text: str) -> bool:
    """Tell whether a text is a report of ours."""
    return text.startswith(MARK)


def report_text(record: RunRecord) -> str:
    """Write a run down; what looks secret in it is left out, as in the text of a plan."""
    lines = [MARK, f"# nodeprov {record.action}: {_counted(record)}", "", *_head(record), "", *_results(record)]
    if record.waves:
        lines += ["", *_waves(record)]
    lines += ["", *_releases(record)] if record.releases else []
    for nodes, said in _alike(record).items():
        lines += ["", f"## {', '.join(nodes)}", "", *said]
    return "\n".join(visible(line) for line in lines) + "\n"


def _counted(record: RunRecord) -> str:
    results = [each.result for each in record.nodes]
    found = [f"{results.count(result)} {word}" for result, word in WORDS.items() if result in results]
    return f"{count_text(len(results), 'node')}, {'; '.join(found)}" if results else "no node was changed"


def _head(record: RunRecord) -> Iterator[str]:
    rows = {
        "command": f"`{_cell(redacted(record.command))}`",
        "by": f"{_cell(record.user)} on {_cell(record.controller)}, with nodeprov {record.version}",
        "began": record.began,
        "ended": f"{record.ended}{_taken(record.began, record.ended)}" if record.ended else "not known",
        "run": record.identity,
    }
    yield from ("| | |", "|---|---|")
    yield from (f"| {name} | {said} |" for name, said in rows.items())


def _taken(began: str, ended: str) -> str:
    try:
        seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    except (ValueError, TypeError):
        return ""
    return f" ({count_text(round(seconds), 'second')} later)"


def _results(record: RunRecord) -> Iterator[str]:
    yield from ("## Result", "")
    if record.nodes:
        yield from ("| node | result | changes | restart | seconds |", "|---|---|---:|---|---:|")
    for each in record.nodes:
        ran = each.outcome is not None and each.result != "nothing"
        changes = str(each.changed) if ran else ""
        restart = ("yes" if each.has_restarted else "no") if ran else ""
        yield f"| {each.node} | {WORDS[each.result]} | {changes} | {restart} | {seconds_text(each.seconds)} |"
    ended = [each.outcome for each in record.nodes if each.outcome]
    errors = [error for each in ended for error in (each.error, each.later) if error]
    for number, error in enumerate([*errors, *record.errors]):
        yield from ("",) if number == 0 else ()
        yield from _error(error)
    yield from _listed(
        "Remarks",
        [f"{each.plan.node}: {note}" for each in ended for note in each.notes],
    )
    untouched = [each for each in record.nodes if each.result == "untouched"]
    if untouched:
        yield from ("", f"Left untouched: {', '.join(each.node for each in untouched)}.")
        yield ""
        yield from (f"- {each.node}: {_cell(redacted(each.said))}" for each in untouched if each.said)


def _error(error: NodeprovError) -> Iterator[str]:
    for part in error.parts():
        where = f"**{_cell(part.where)}**: " if part.where else ""
        yield f"- {where}{_cell(redacted(part.message))}"
        if part.hint:
            yield f"  - hint: {_cell(redacted(part.hint))}"


def _waves(record: RunRecord) -> Iterator[str]:
    yield from ("## Waves", "", "| wave | kind | nodes | began | ended |", "|---:|---|---|---|---|")
    for wave in record.waves:
        ended = wave.ended or "not finished"
        yield f"| {wave.number} | {wave.kind} | {', '.join(wave.nodes)} | {wave.began} | {ended} |"


def _releases(record: RunRecord) -> Iterator[str]:
    yield "## Releases"
    for name, digests in record.releases.items():
        yield from ("", f"`{_cell(name)}`, of artifacts with these SHA-512 digests:", "")
        yield from (f"- `{_cell(artifact)}`: `{digest}`" for artifact, digest in digests.items())


def _alike(record: RunRecord) -> Mapping[tuple[str, ...], list[str]]:
    """Write what was done on each node, once for all nodes of which the same is to be said."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for each in record.nodes:
        if each.result not in ("nothing", "untouched"):
            said = [*_node(each)]
            nodes, _ = found.setdefault(without_name("\n".join(said), each.node), ([], said))
            nodes.append(each.node)
    return {tuple(nodes): said for nodes, said in found.values()}


def _node(each: NodeRun) -> Iterator[str]:
    plan, outcome = each.plan, each.outcome
    yield from (f"Planned: {headline(plan).partition(': ')[2]}.", "")
    yield from (f"- {_cell(note)}" for note in plan.notes)
    if outcome is None:
        yield from ("", f"It was begun, and how it ended is not known: see `nodeprov status {each.node}`.")
        yield from ("", "Planned were:", "", *_fenced(_lines(plan.parts)))
        return
    if outcome.done:
        yield from ("", "Done before it failed:" if outcome.error else "Done:", "", *_fenced(_lines(outcome.done)))
    if outcome.proofs:
        yield from ("", "Proven:", "")
        yield from (f"- {_cell(title)}: {_cell(redacted(said))}" for title, said in outcome.proofs.items())
    yield from _listed("Taken back", [change.resource.title for change in outcome.undone])
    yield from _listed("Left between two states", outcome.left)
    yield from _listed("Kept, as something needs it", outcome.kept)
    others = () if outcome.error else outcome.made_by_others
    yield from _listed(
        "Done meanwhile by another node, or by somebody else", [change.resource.title for change in others]
    )


def _listed(title: str, said: Iterable[str]) -> Iterator[str]:
    lines = [f"- {_cell(redacted(each))}" for each in said]
    if lines:
        yield from ("", f"{title}:", "", *lines)


def _lines(parts: Iterable[Part]) -> list[str]:
    """Write what was done, without the proofs, which are told by what they saw."""
    lines: list[str] = []
    for part in parts:
        if not isinstance(part, Proof):
            lines += [
                part_text(part),
                *(f"    {line}" for line in (diff(part) if isinstance(part, Change) else ())),
            ]
    return lines


def _fenced(lines: list[str]) -> Iterator[str]:
    """Put lines into a block that none of them ends."""
    longest = max((len(found) for line in lines for found in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}diff", *lines, fence)


def _cell(text: str) -> str:
    """Write a text so that it stays in its place: in its cell, on its line, and no markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
