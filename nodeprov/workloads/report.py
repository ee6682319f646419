"""What workloads meet in the sandbox, as people, programs and CI systems read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from nodeprov.workloads.catalogue import Behaviour, Effect
from nodeprov.workloads.meets import Met
from nodeprov.workloads.pods import Workload

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SAID = {
    Effect.REFUSED: "does not start",
    Effect.FAILS: "does not work",
    Effect.SILENT: "works differently, without a message",
}
_LEVELS = {Effect.REFUSED: "error", Effect.FAILS: "error", Effect.SILENT: "warning"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A workload, and what it meets: each behaviour once, with the fields that lead to it."""

    workload: Workload
    found: tuple[tuple[Behaviour, tuple[Met, ...]], ...]

    @classmethod
    def of(cls, workload: Workload, mets: Sequence[Met]) -> Checked:
        """Group what was found by the behaviours, in their order."""
        behaviours = dict.fromkeys(each.behaviour for each in mets)
        return cls(
            workload, tuple((one, tuple(each for each in mets if each.behaviour is one)) for one in behaviours)
        )


def texts(checked: Sequence[Checked]) -> Iterator[str]:
    """Write it for people: a paragraph for each workload that meets anything."""
    for each in checked:
        if each.found:
            yield "\n".join([f"{_place(each.workload, each.workload.line)}{each.workload.title}", *_lines(each)])


def _lines(checked: Checked) -> Iterator[str]:
    for behaviour, mets in checked.found:
        first = mets[0]
        more = f" and {len(mets) - 1} more" if len(mets) > 1 else ""
        at = f" (line {first.line})" if first.workload.file else ""
        yield f"  {behaviour.title} {_SAID[behaviour.effect]}: {behaviour.id}"
        yield f"    {first.path}{at}{more}"
        yield f"    sandbox: {behaviour.sandbox}"
        yield f"    runc: {behaviour.runc}"
        yield f"    cure: {behaviour.cure}"


def _place(workload: Workload, line: int) -> str:
    return f"{workload.file}:{line}: " if workload.file else ""


def summary(checked: Sequence[Checked]) -> str:
    """Count the workloads by the worst that each meets."""
    worst = [each.found[0][0].effect if each.found else None for each in checked]
    counts = [f"{worst.count(effect)} with what {_SAID[effect]}" for effect in Effect if effect in worst]
    sound = worst.count(None)
    number = len(checked)
    said = [*counts, f"{sound} of which nothing is known to differ"] if sound or not counts else counts
    return f"{number} workload{'' if number == 1 else 's'}: {', '.join(said)}" if number else "no workloads"


def as_json(checked: Sequence[Checked]) -> list[dict[str, Any]]:
    """Write it as plain values."""
    return [
        {
            "file": each.workload.file,
            "line": each.workload.line,
            "kind": each.workload.kind,
            "namespace": each.workload.namespace,
            "name": each.workload.name,
            "met": [
                {
                    "id": behaviour.id,
                    "effect": behaviour.effect.value,
                    "title": behaviour.title,
                    "runc": behaviour.runc,
                    "sandbox": behaviour.sandbox,
                    "cure": behaviour.cure,
                    "fields": [{"path": one.path, "line": one.line} for one in mets],
                }
                for behaviour, mets in each.found
            ],
        }
        for each in checked
    ]


def as_sarif(checked: Sequence[Checked], version: str) -> str:
    """Write it as SARIF 2.1.0, which code hosts show beside the lines (OASIS sarif-v2.1.0-os)."""
    behaviours = dict.fromkeys(behaviour for each in checked for behaviour, _ in each.found)
    rules = [
        {
            "id": each.id,
            "shortDescription": {"text": each.title},
            "fullDescription": {"text": f"In the sandbox: {each.sandbox}. Without it: {each.runc}."},
            "help": {"text": each.cure},
            "defaultConfiguration": {"level": _LEVELS[each.effect]},
        }
        for each in behaviours
    ]
    results = [
        {
            "ruleId": behaviour.id,
            "level": _LEVELS[behaviour.effect],
            "message": {"text": f"{each.workload.title}: {one.path}: in the sandbox: {behaviour.sandbox}"},
            "locations": [_sarif_location(one)],
        }
        for each in checked
        for behaviour, mets in each.found
        for one in mets
    ]
    tool = {"name": "nodeprov check", "version": version, "rules": rules}
    run = {"tool": {"driver": tool}, "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_location(met: Met) -> dict[str, Any]:
    """Return the line of a file; of a cluster, which has none, the object."""
    if met.workload.is_live:
        return {"logicalLocations": [{"fullyQualifiedName": f"{met.workload.title}: {met.path}"}]}
    artifact = {"uri": quote(os.fsencode(met.workload.file))}  # a name may have bytes that are no text
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": met.line}}}


def as_junit(checked: Sequence[Checked]) -> str:
    """Write it as JUnit XML: a case for each workload, which fails if it meets anything."""
    failures = sum(bool(each.found) for each in checked)
    counts = {"tests": str(len(checked)), "failures": str(failures)}
    suites = ElementTree.Element("testsuites", name="nodeprov check")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "nodeprov check", **counts})
    for each in checked:
        case = ElementTree.SubElement(suite, "testcase", classname=each.workload.file, name=each.workload.title)
        if each.found:
            failure = ElementTree.SubElement(case, "failure", message=", ".join(one.id for one, _ in each.found))
            failure.text = "\n".join(_lines(each))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
