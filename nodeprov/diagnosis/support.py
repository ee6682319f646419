"""What a bug report needs to know of one node: read only, redacted, and complete even where little works."""

import gzip
import hashlib
import io
import json
import shlex
import tarfile
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from nodeprov.containerd.distributions.profiles import PLAIN, kubelet_units
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output, Place, Reader
from nodeprov.inventory import Node
from nodeprov.kubernetes.kubectl import kubectl
from nodeprov.node.daemon_choice import Choice
from nodeprov.node.facts import FactsQuery, parse_facts
from nodeprov.node.layout import Layout
from nodeprov.node.state import Facts
from nodeprov.node.switch import RECOVERY_UNIT, SWITCH_UNIT
from nodeprov.redaction import redacted, redacted_value
from nodeprov.runtimes.family import Family

LINES = 500
"""How much of a journal is taken."""
CONFIG = "/etc/containerd/config.toml"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the archive; `why` is the reason where there is none."""

    name: str
    text: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A question whose answer is what was printed, whatever the status."""

    script: str

    def parse(self, output: Output) -> Output:
        """Take the output as it is."""
        return output


def collect(node: Node, readers: Mapping[Place, Reader], family: Family) -> tuple[Part, ...]:
    """Read all parts of one node and of its cluster; what cannot be read is a part with the reason."""
    layout = Layout.of(node.settings, family.program)
    facts, parts = _facts_parts(node, layout, readers[Place.NODE])
    parts += _asked(readers[Place.NODE], _node_scripts(node, layout, family, facts))
    if Place.CLUSTER in readers:
        parts += _asked(readers[Place.CLUSTER], _cluster_scripts(node, facts))
    else:
        parts.append(Part("cluster/", why="[cluster] enabled = false"))
    return tuple(parts)


def _facts_parts(node: Node, layout: Layout, reader: Reader) -> tuple[Facts | None, list[Part]]:
    try:
        output: Output = reader.ask([Said(FactsQuery(node.name, node.settings, layout).script)])[0]
        facts = parse_facts(node.name, output.text)
    except NodeprovError as error:
        return None, [Part(name, why=error.message) for name in ("facts.json", "receipts/")]
    receipts = [Part(_receipt_name(each), _json(without_contents(each))) for each in facts.receipts]
    return facts, [
        Part("facts.json", _json(facts_json(facts))),
        *(receipts or [Part("receipts/", why="there are none")]),
    ]


def _receipt_name(receipt: Mapping[str, Any]) -> str:
    number, action = receipt.get("number"), receipt.get("action")
    known = isinstance(number, int) and isinstance(action, str) and action.isalpha()
    return f"receipts/{number:06d}-{action}.json" if known else "receipts/damaged.json"


def without_contents(value: Any) -> Any:
    """Put in the place of every file's content, which a receipt has in base64, its digest and size."""
    if isinstance(value, Mapping):
        kept = {name: without_contents(each) for name, each in value.items() if name != "base64"}
        return kept | _content(value["base64"]) if isinstance(value.get("base64"), str) else kept
    return [without_contents(each) for each in value] if isinstance(value, list) else value


def _content(encoded: str) -> dict[str, Any]:
    try:
        content = b64decode(encoded, validate=True)
    except ValueError:
        return {"damaged": True}
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def facts_json(facts: Facts) -> dict[str, Any]:
    """Write facts as plain values, without what has a file of its own in the archive."""
    daemon, footprint = facts.daemon, facts.footprint
    value = {
        "node": facts.node,
        "unit_state": facts.unit_state,
        "receipts": (),
        "daemon": None,
        "choice": asdict(Choice(None, problem=facts.undecided)),
        **asdict(facts.machine),
        **asdict(replace(footprint, record=None)),
    }
    if daemon is not None:
        value["daemon"] = asdict(replace(daemon, config=None, dump="", distribution=PLAIN, source=None))
        value["choice"] = value["daemon"].pop("choice")
        value["daemon"]["distribution"] = daemon.distribution.name
        if daemon.source is not None:
            value["daemon"]["source"] = {**asdict(daemon.source), "how": daemon.source.how.value}
            for content in ("state", "made"):
                del value["daemon"]["source"][content]
    if footprint.record is not None:
        value["record"] = {**asdict(footprint.record.identity), "dump_bytes": len(footprint.record.dump)}
    return value


def _json(value: Any) -> str:
    return json.dumps(redacted_value(value), indent=1, sort_keys=True, default=sorted) + "\n"


def _node_scripts(node: Node, layout: Layout, family: Family, facts: Facts | None) -> Iterator[tuple[str, str]]:
    wanted, daemon = node.settings, facts.daemon if facts else None
    unit = shlex.quote(daemon.unit if daemon else wanted.containerd.unit or "containerd.service")
    config = shlex.quote(daemon.config_path if daemon else wanted.containerd.config or CONFIG)
    containerd = shlex.quote(daemon.binary if daemon else "containerd")
    state = shlex.quote(wanted.paths.state)
    journal = f"journalctl -q --no-pager -n {LINES}"
    yield "containerd/config.toml", f"cat {config}"
    yield "containerd/dump.toml", f"{containerd} -c {config} config dump"
    yield "containerd/unit.txt", f"systemctl cat {unit}; systemctl status --no-pager --lines=0 {unit}; true"
    yield from _runtime_scripts(family.program, layout, family)
    for view in _others(node, facts):
        handler = view.settings.runtime.handler
        yield from _runtime_scripts(f"handlers/{handler}", Layout.of(view.settings, family.program), family)
    # By names and dates alone: what is in its files is containerd's configuration, which has a part of its own.
    yield "switch/files.txt", f"cd {state} && ls -lnR --time-style=full-iso switch*"
    yield "switch/units.txt", f"systemctl status --no-pager --lines=0 {SWITCH_UNIT} {RECOVERY_UNIT}; true"
    yield "journal/switch.txt", f"{journal} -u {SWITCH_UNIT} -u {RECOVERY_UNIT}"
    yield "journal/containerd.txt", f"{journal} -u {unit}"
    yield "journal/kubelet.txt", f"{journal} {' '.join(f'-u {unit}' for unit in kubelet_units())}"


def _runtime_scripts(folder: str, layout: Layout, family: Family) -> Iterator[tuple[str, str]]:
    current, config_file = shlex.quote(layout.current), family.inspection.config
    yield f"{folder}/{config_file}", f"cat {current}/{config_file}"
    yield f"{folder}/version.txt", f"{current}/{family.program} --version"


def _others(node: Node, facts: Facts | None) -> Iterator[Node]:
    """View the node as each of its handlers besides the first one sees it, and as a canary that it has does."""
    yield from node.views[1:]
    canary = node.only(node.settings.runtime.handler).canary()
    generations = facts.footprint.generations if facts else ()
    if canary and any(f"/{canary.settings.runtime.handler}/" in folder for folder in generations):
        yield canary


def _cluster_scripts(node: Node, facts: Facts | None) -> Iterator[tuple[str, str]]:
    kube, name = kubectl(node.settings.cluster), node.settings.runtime_class.name
    yield "cluster/version.json", kube.line("version", "-o", "json")
    yield "cluster/node.json", kube.line("get", "node", node.name, "-o", "json")
    yield "cluster/runtimeclass.json", kube.line("get", "runtimeclass", name, "-o", "json")
    for view in _others(node, facts):
        other = view.settings.runtime_class.name
        yield f"cluster/runtimeclass-{other}.json", kube.line("get", "runtimeclass", other, "-o", "json")


def _asked(reader: Reader, scripts: Iterator[tuple[str, str]]) -> list[Part]:
    """Ask all in one round trip."""
    names, lines = zip(*scripts, strict=True)
    try:
        answers: list[Output] = reader.ask([Said(f"{{ {line}; }} 2>&1") for line in lines])
    except NodeprovError as error:
        return [Part(name, why=error.message) for name in names]
    return [_part(name, output) for name, output in zip(names, answers, strict=True)]


def _part(name: str, output: Output) -> Part:
    text = redacted(output.text)
    if output.returncode != 0:
        return Part(name, why=(text.strip().splitlines() or [f"exit status {output.returncode}"])[-1])
    return Part(name, text) if text.strip() else Part(name, why="nothing was printed")


def archive(folder: str, parts: Sequence[Part], seconds: int) -> bytes:
    """Pack the parts that are there below one folder, and a list of those that are not; dated `seconds`."""
    missing = "".join(f"{part.name}: {part.why}\n" for part in parts if part.why)
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=seconds) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for part in (*(part for part in parts if not part.why), Part("missing.txt", missing)):
            content = part.text.encode(errors="backslashreplace")
            entry = tarfile.TarInfo(f"{folder}/{part.name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, seconds
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
