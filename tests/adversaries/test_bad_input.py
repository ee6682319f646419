"""Every way to hand nodeprov something wrong, inventories' own faults apart: what is said was reviewed as a whole.

The command line runs in this process: a hundred others would take minutes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nodeprov import __version__
from nodeprov.cli import main
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.kubernetes import cluster_read
from nodeprov.node.facts import parse_facts
from nodeprov.node.receipts import History, to_json
from nodeprov.redaction import visible
from nodeprov.releases.obtain import obtain
from nodeprov.releases.source import ReleaseSource
from nodeprov.runtimes.gvisor.software import SOFTWARE
from tests.adversaries.hostile_node import HostileNode, answering, silent
from tests.support.samples import golden_part, having, receipt_of, recorded, settings

GOLDEN = "bad-input/refusals.txt"
TITLE = "What is said to bad input. Made by tests/adversaries/test_bad_input.py; read it as code.\n"
ESCAPES = "\x1b[2J\x07"
DIGEST = "ab" * 64
INVENTORY = """\
[release]
version = "20260905.0"
[cluster]
enabled = false
[ssh]
connect_timeout_seconds = 20
user = "root"
identity_file = "id"
known_hosts = "known_hosts"
[groups.gpu]
nodes = ["worker1"]
[hosts.master]
[nodes.worker1]
address = "127.0.0.1"
port = 9
[nodes.worker2]
address = "127.0.0.2"
port = 9
"""


@dataclass(frozen=True)
class Typed:
    """A command line that must be refused: in a folder with files, with an environment."""

    line: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 2


@dataclass(frozen=True)
class Called:
    """Something that a node, a cluster or a server has said, and that must be refused."""

    refuse: Callable[[Path], object]
    exit_code: int = 1


def plan_file(**changes: Any) -> str:
    """Write a saved plan as nodeprov would, with changes, and a digest that fits them."""
    value: dict[str, Any] = {
        "schema": 1,
        "at": "2026-11-21T10:00:00+00:00",
        "author": {"user": "ann", "controller": "desk", "version": __version__},
        "action": "install",
        "drain": False,
        "inventory": INVENTORY,
        "plans": [{"node": "worker1", "text": "x", "steps": [["a", "b"]]}],
        **changes,
    }
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return json.dumps({**value, "sha256": digest})


def apply_of(text: str | bytes) -> Typed:
    return Typed("apply x.plan", {"x.plan": text})


def known(text: str) -> Typed:
    """Reach an SSH server; the file of known hosts is this, with the server's own PORT and KEY."""
    return Typed("plan worker1 --set nodes.worker1.port=PORT", {"known_hosts": text}, exit_code=1)


def receipts(*texts: str | bytes) -> Called:
    """Read receipts as they lie on a node."""

    def refuse(_folder: Path) -> object:
        names = [f"/var/lib/nodeprov/receipts/{number:06d}-install.json" for number in range(1, len(texts) + 1)]
        contents = [base64.b64encode(t.encode() if isinstance(t, str) else t).decode() for t in texts]
        lines = "\n".join(f"{name} {content}" for name, content in zip(names, contents, strict=True))
        facts = parse_facts("worker1", having(recorded("fresh"), {"receipts:": lines}))
        return History.read(facts.receipts, machine_id=facts.machine.machine_id, handler="runsc", node="worker1")

    return Called(refuse)


def receipt_with(**changes: Any) -> str:
    return json.dumps({**to_json(receipt_of(1, "install")), **changes})


def changed(before: Any) -> str:
    return receipt_with(changes=[{"key": "file:/etc/containerd/config.toml", "before": before, "after": None}])


class Saying(LocalHost):
    """A host whose shell gives answers of its own to questions."""

    def __init__(self, *said: Output) -> None:
        super().__init__("worker1")
        self._said = said

    def execute(self, script: str, stdin: bytes, timeout_seconds: float) -> Output:
        frames = [base64.b64encode(said.stdout + f"\n{said.returncode}".encode()) for said in self._said]
        return Output(0, b"".join(b"@nodeprov " + frame + b"\n" for frame in frames), self._said[0].stderr)


def cluster(stdout: str = "", stderr: str = "", returncode: int = 0) -> Called:
    """Understand what kubectl has printed: of its configuration the first line, of the cluster the others."""
    config, _, items = stdout.partition("\n")
    host = Saying(*(Output(returncode, each.encode(), stderr.encode()) for each in (config, items)))
    return Called(lambda _folder: cluster_read.read(host, settings(), "worker1"))


def pins(architecture: str = "x86_64", **sha512: str) -> Called:
    """Obtain a release with pins; nobody is asked for it."""
    named = {name.replace("_", "."): digest for name, digest in sha512.items()}

    def refuse(folder: Path) -> object:
        mirror = f"{folder}/mirror"
        source = ReleaseSource(SOFTWARE, mirror, folder, lambda *_: None, pins=named)
        return obtain(source, "20260905.0", architecture)

    return Called(refuse, exit_code=2)


def facts_with(**values: str | None) -> Called:
    said = {name.replace("__", "."): value for name, value in values.items()}
    return Called(lambda _folder: parse_facts("worker1", having(recorded("fresh"), said)))


BAD: Mapping[str, Typed | Called] = {
    # Selectors
    "a node that is not there": Typed("plan worker3"),
    "a node in capitals": Typed("plan Worker1"),
    "a node's address": Typed("plan 127.0.0.1"),
    "a glob that matches nothing": Typed("plan gpu-*"),
    "a glob that is not closed": Typed("plan worker[1"),
    "an empty name": Typed("plan ''"),
    "a group without its sign": Typed("plan gpu"),
    "a group that is not there": Typed("plan @gup"),
    "a sign alone": Typed("plan @"),
    "a host that is no node": Typed("plan master"),
    "a name with terminal escapes": Typed(f"plan worker1{ESCAPES}"),
    "a name with a line break": Typed("plan 'worker1\nhint: rm -rf /'"),
    "a name of bytes that are no text": Typed("plan worker\udcff"),
    "a path for a name": Typed("plan ../../etc/passwd"),
    "a name of 100 KB": Typed("plan " + "x" * 100_000),
    "no name": Typed("install"),
    # Options
    "all nodes and a name": Typed("plan worker1 --all"),
    "an empty selector": Typed("plan -l ''"),
    "a selector that kubectl has not": Typed("plan -l zone>1"),
    "a selector with a comma at its end": Typed("plan -l zone=a,"),
    "a selector that is not closed": Typed("plan -l 'zone in (a'"),
    "a selector with terminal escapes": Typed(f"plan -l zone={ESCAPES}"),
    "a selector of bytes that are no text": Typed("plan -l zone=\udcff"),
    "a selector for a label that no node has": Typed("plan -l zone=a"),
    "a selector of 100 KB": Typed("plan -l " + "x" * 100_000),
    "a report over notes": Typed("install worker1 --report notes", {"notes": "mine"}),
    "a report that is a folder": Typed("uninstall worker1 --report ."),
    "a report in no folder": Typed("install worker1 --report none/report.md"),
    "events over notes": Typed("install worker1 --events notes", {"notes": "mine"}),
    "events on standard output": Typed("apply x.plan --events -"),
    "events in no folder": Typed("install worker1 --events none/events"),
    "the last runs, of which there are -1": Typed("history --last -1"),
    "an inventory of Ansible without Ansible": Typed(
        "plan --all -i hosts.ini", {"hosts.ini": "[kube_node]\nworker1\n"}, {"PATH": "/nowhere"}
    ),
    "an inventory of Ansible that is not there": Typed("plan --all -i none.yml"),
    "an unknown option": Typed("plan worker1 --jsno"),
    "an option twice": Typed("plan worker1 --out a --out", {}),
    "an option of another command": Typed("plan worker1 --yes"),
    "a value for a switch": Typed("plan worker1 --json=yes"),
    "an unknown command": Typed("plna worker1"),
    "more than all nodes at once": Typed("plan worker1 --max-unavailable 101%"),
    "no node at once": Typed("install worker1 --max-unavailable 0"),
    "a window without an end": Typed("install worker1 --window 02:00"),
    "a window of no time": Typed("plan worker1 --window 02:00-02:00"),
    "a window that ends at 25 o'clock": Typed("plan worker1 --window 02:00-25:00"),
    "a negative number of canaries": Typed("install worker1 --canary -1"),
    "a soak time that is over before it begins": Typed("install worker1 --soak -1"),
    "canaries in letters": Typed("apply x.plan --canary one"),
    "no failure at all": Typed("install worker1 --max-failures 0"),
    "a stage of an uninstall": Typed("plan worker1 --uninstall --stage"),
    "a time zone that nobody has": Typed("plan worker1 --set rollout.time_zone=Europe/Bonn"),
    "drain of a rollback": Typed("plan worker1 --rollback --drain"),
    "a folder for an inventory": Typed("plan worker1 -i ."),
    "an inventory that is not there": Typed("plan worker1 -i none.toml"),
    "an inventory that is binary": Typed("plan worker1 -i x", {"x": b"\x7fELF\x00\xff\xfe"}),
    "an inventory of UTF-16": Typed("plan worker1 -i x", {"x": INVENTORY.encode("utf-16")}),
    "an inventory without end": Typed("plan worker1 -i /dev/zero"),
    "an inventory with NUL": Typed("plan worker1 -i x", {"x": INVENTORY + "# \0\n"}),
    "an inventory that nests without end": Typed("plan worker1 -i x", {"x": "a = " + "[" * 5000}),
    "an inventory with terminal escapes": Typed("plan worker1 -i x", {"x": f"{ESCAPES} = 1\n"}),
    "a number of 5000 digits": Typed("plan worker1 -i x", {"x": INVENTORY + f"a = {'9' * 5000}\n"}),
    "a setting without a value": Typed("plan worker1 --set release.version"),
    "a setting that is not there": Typed("plan worker1 --set relaese.version=latest"),
    "a setting with terminal escapes": Typed(f"plan worker1 --set release.version=a{ESCAPES}"),
    "a timeout of 0": Typed("plan worker1 --set release.download_timeout_seconds=0"),
    "a rate below 0": Typed("plan worker1 --set release.least_bytes_per_second=-1"),
    "a base_url of another scheme": Typed("plan worker1 --set release.base_url=ftp://x"),
    "an inventory to write over": Typed("init nodeprov.toml"),
    "an image for another machine": Typed("image x.tar --architecture s390x"),
    "support for two nodes": Typed("support worker*"),
    "an inventory of a node that is not there": Typed("inventory worker9"),
    "a setting that nests without end": Typed(f"plan worker1 --set runtime.flags={'[' * 5000}"),
    "a setting of 5000 digits": Typed(f"plan worker1 --set ssh.port={'9' * 5000}"),
    # The environment
    "a variable for an inventory that is not there": Typed(
        "plan worker1", environment={"NODEPROV_INVENTORY": "/none.toml"}
    ),
    "a variable for a folder": Typed("plan worker1", environment={"NODEPROV_INVENTORY": "."}),
    "a variable for an unknown key": Typed("plan worker1", environment={"NODEPROV_SSH_PROT": "22"}),
    "a variable that is no number": Typed("plan worker1", environment={"NODEPROV_SSH_PORT": "many"}),
    "a variable that is empty": Typed("plan worker1", environment={"NODEPROV_SSH_USER": ""}),
    "a variable with terminal escapes": Typed("plan worker1", environment={"NODEPROV_RELEASE_VERSION": ESCAPES}),
    "a variable of bytes that are no text": Typed(
        "plan worker1", environment={"NODEPROV_RELEASE_VERSION": "\udcff"}
    ),
    # SSH: known_hosts, keys, configurations
    "known_hosts that is not there": Typed("plan worker1", {"known_hosts": ""}, exit_code=1),
    "known_hosts that is a folder": Typed("plan worker1 --set ssh.known_hosts=.", exit_code=1),
    "an identity_file that is not there": Typed("plan worker1 --set ssh.identity_file=none", exit_code=1),
    "a config_file that is not there": Typed("plan worker1 --set ssh.config_file=none", exit_code=1),
    "a config_file that is none": Typed(
        "plan worker1 --set ssh.config_file=conf", {"conf": f"Hostt {ESCAPES}\n"}, exit_code=1
    ),
    "a config_file that jumps in circles": Typed(
        "plan worker1 --set ssh.config_file=conf", {"conf": "Host *\n ProxyJump a\n"}, exit_code=1
    ),
    "known_hosts without a line": known(""),
    "known_hosts of garbage": known(f"\0\xff{ESCAPES}\n" * 100),
    "known_hosts with half a line": known("[127.0.0.1]:PORT ecdsa-sha2-nistp256\n"),
    "known_hosts with a key that is no base64": known("[127.0.0.1]:PORT ecdsa-sha2-nistp256 !!!\n"),
    "known_hosts with a key that is empty": known("[127.0.0.1]:PORT ecdsa-sha2-nistp256 AAAA\n"),
    "known_hosts of another port": known("127.0.0.1 KEY\n"),
    "known_hosts with a bad hash": known("|1|AAAA|AAAA KEY\n"),
    "known_hosts with only an authority": known("@cert-authority [127.0.0.1]:PORT KEY\n"),
    "known_hosts with a marker that is none": known("@trusted [127.0.0.1]:PORT KEY\n"),
    "known_hosts that revokes the key": known("@revoked [127.0.0.1]:PORT KEY\n"),
    "known_hosts with a name that is negated": known("[127.0.0.1]:PORT,![127.0.0.1]:PORT KEY\n"),
    "an identity_file that is not a key": Typed(
        "plan worker1 --set nodes.worker1.port=PORT",
        {"known_hosts": "[127.0.0.1]:PORT KEY\n", "id": f"-----BEGIN {ESCAPES}\n"},
        exit_code=1,
    ),
    "an identity_file that is half a key": Typed(
        "plan worker1 --set nodes.worker1.port=PORT",
        {
            "known_hosts": "[127.0.0.1]:PORT KEY\n",
            "id": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n",
        },
        exit_code=1,
    ),
    "a port at which nobody listens": Typed("plan worker1", exit_code=1),
    # Saved plans
    "a saved plan that is not there": Typed("apply none.plan"),
    "a saved plan that is a folder": Typed("apply ."),
    "a saved plan that is empty": apply_of(""),
    "a saved plan that is binary": apply_of(b"\xff\xfe\x00"),
    "a saved plan that is cut off": apply_of(plan_file()[:-40]),
    "a saved plan without end": Typed("apply /dev/zero"),
    "a saved plan that nests without end": apply_of("[" * 100_000),
    "a saved plan that is a list": apply_of("[]"),
    "a saved plan that is an inventory": apply_of(INVENTORY),
    "a saved plan of a newer schema": apply_of(plan_file(schema=2)),
    "a saved plan of a schema that is none": apply_of(plan_file(schema="1")),
    "a saved plan that was edited": apply_of(plan_file().replace("false", "true")),
    "a saved plan of another version": apply_of(
        plan_file(author={"user": "ann", "controller": "desk", "version": "0.0.1"})
    ),
    "a saved plan of another action": apply_of(plan_file(action=f"destroy{ESCAPES}")),
    "a saved plan whose drain is a word": apply_of(plan_file(drain="no")),
    "a saved plan without an author": apply_of(plan_file(author={})),
    "a saved plan whose author is a list": apply_of(plan_file(author=[])),
    "a saved plan whose inventory is a number": apply_of(plan_file(inventory=1)),
    "a saved plan whose inventory is none": apply_of(plan_file(inventory="[nodes")),
    "a saved plan whose steps are numbers": apply_of(
        plan_file(plans=[{"node": "worker1", "text": "x", "steps": [[1, 2]]}])
    ),
    "a saved plan whose plans are a word": apply_of(plan_file(plans="worker1")),
    # Receipts, as they lie on a node
    "a receipt that is empty": receipts(""),
    "a receipt that is no JSON": receipts("hello"),
    "a receipt that is cut off": receipts(receipt_with()[:-40]),
    "a receipt of bytes that are no text": receipts(b"\xff\xfe"),
    "a receipt that is a list": receipts("[]"),
    "a receipt that nests without end": receipts("[" * 100_000),
    "a receipt of 20 MB": receipts('{"schema": 1, "x": "' + "x" * (20 << 20) + '"}'),
    "a receipt of a newer schema": receipts(receipt_with(schema=99)),
    "a receipt whose schema is a word": receipts(receipt_with(schema="2")),
    "a receipt whose schema is true": receipts(receipt_with(schema=True)),
    "a receipt whose number is a word": receipts(receipt_with(number="1")),
    "a receipt whose action is a path": receipts(receipt_with(action="../../etc/cron.d/x")),
    "a receipt whose action has escapes": receipts(receipt_with(action=ESCAPES)),
    "a receipt whose state is null": receipts(receipt_with(state=None)),
    "a receipt whose author is a word": receipts(receipt_with(author="ann")),
    "a receipt whose author has more": receipts(
        receipt_with(author={"user": "a", "controller": "b", "version": "c", "x": "d"})
    ),
    "a receipt whose changes are a word": receipts(receipt_with(changes="x")),
    "a receipt whose changes lack a key": receipts(receipt_with(changes=[{"before": None, "after": None}])),
    "a receipt with a state of no kind": receipts(changed({"kind": "socket"})),
    "a receipt with a file that is no base64": receipts(
        changed({"kind": "file", "base64": "!", "mode": 420, "uid": 0, "gid": 0})
    ),
    "a receipt with a mode that is a word": receipts(
        changed({"kind": "file", "base64": "", "mode": "0644", "uid": 0, "gid": 0})
    ),
    "a receipt with a link that is a list": receipts(changed({"kind": "link", "target": ["/x"]})),
    "a receipt with a tree of words": receipts(changed({"kind": "tree", "entries": ["x"], "foreign": []})),
    "a receipt with an object that is a word": receipts(changed({"kind": "object", "manifest": "x"})),
    "a receipt whose sha512 is a list": receipts(receipt_with(sha512=[])),
    "a good receipt and a damaged one": receipts(receipt_with(), "{}"),
    # What a node says of itself
    "a node without an architecture": facts_with(architecture=None),
    "a node whose uid is a word": facts_with(uid=f"root{ESCAPES}"),
    "a node whose room is no number": facts_with(free_kib=""),
    # What kubectl says; tests/lab/test_clusters.py has its own words for kubeconfigs
    "a cluster that says nothing": cluster(),
    "a cluster that says no JSON": cluster("Welcome!\n" * 4),
    "a cluster that says lists": cluster("[]\n" * 4),
    "a cluster whose labels are a word": cluster('{}\nNode\tworker1\tu\t"x"' + "\t" * 8 + "\n"),
    "a kubeconfig that is not there": cluster(
        stderr="error: current-context must exist in order to minify\n", returncode=1
    ),
    "a kubeconfig that is no YAML": cluster(
        stderr='error: error loading config file "x": yaml: line 1: did not find expected node content\n',
        returncode=1,
    ),
    "a kubeconfig with a context that is not there": cluster(
        stderr='error: context "nope" does not exist\n', returncode=1
    ),
    "a kubeconfig with a server that is not there": cluster(
        stderr="The connection to the server 127.0.0.1:9 was refused - did you specify the right host or port?\n",
        returncode=1,
    ),
    "a kubeconfig with a certificate that is none": cluster(
        stderr="error: tls: failed to find any PEM data in certificate input\n", returncode=1
    ),
    "a kubeconfig that may do nothing": cluster(
        stderr='Error from server (Forbidden): nodes "worker1" is forbidden: User "x" cannot get resource\n',
        returncode=1,
    ),
    "a kubeconfig whose program prints escapes": cluster(stderr=f"{ESCAPES}\nhint: rm -rf /\n", returncode=1),
    "a kubectl that is not there": cluster(stderr="sh: 1: kubectl: not found\n", returncode=127),
    # Pins
    "a pin that is too short": pins(gvisor_tar_zstd="ab"),
    "a pin in capitals": pins(gvisor_tar_zstd=DIGEST.upper()),
    "a pin with terminal escapes": pins(gvisor_tar_zstd=ESCAPES),
    "a pin of half a release": pins(runsc=DIGEST),
    "a pin of another file": pins(gvisor_tar_xz=DIGEST),
    "a pin for another architecture": pins("amd64", gvisor_tar_zstd=DIGEST),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileNode]:
    """An SSH server that lets everybody in and says nothing."""
    with answering(HostileNode(tmp_path_factory.mktemp("server"), silent)) as node:
        yield node


@pytest.fixture
def typed(
    tmp_path: Path,
    server: HostileNode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[Typed], tuple[int, str]]:
    """Run a command line in a folder of its own; return its exit code and what it said on standard error."""
    _, kind, key = server.known_hosts.read_text().split()
    here = {"PORT": str(server.port), "KEY": f"{kind} {key}"}

    def filled(text: str | bytes) -> bytes:
        for name, value in here.items():
            text = text.replace(name, value) if isinstance(text, str) else text
        return text.encode(errors="surrogateescape") if isinstance(text, str) else text

    def run(bad: Typed) -> tuple[int, str]:
        usual = {"nodeprov.toml": INVENTORY, "id": server.identity.read_text(), "known_hosts": ""}
        for name, text in {**usual, **bad.files}.items():
            (tmp_path / name).write_bytes(filled(text))
        (tmp_path / "id").chmod(0o600)
        if bad is BAD["known_hosts that is not there"]:
            (tmp_path / "known_hosts").unlink()
        # What this machine's ssh_config says for all hosts may be in a message: Debian's has GSSAPIAuthentication.
        monkeypatch.setenv("NODEPROV_SSH_CONFIG_FILE", "/dev/null")
        for name, text in bad.environment.items():
            monkeypatch.setenv(name, text)
        monkeypatch.chdir(tmp_path)
        words = re.findall(r"'([^']*)'|(\S+)", filled(bad.line).decode(errors="surrogateescape"))
        before = state_of(tmp_path)
        code = main.exit_code([a or b for a, b in words])
        assert state_of(tmp_path) == before, "something was written"
        said = capsys.readouterr()
        assert said.out == ""
        return code, said.err.replace(str(server.port), "PORT").replace(str(tmp_path), "FOLDER")

    for name in [name for name in os.environ if name.startswith("NODEPROV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    return run


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shown(said: str) -> str:
    """Leave out what differs from run to run."""
    said = re.sub(r"SHA256:[\w+/]{43}", "SHA256:(digest)", said)
    said = re.sub(r"9{1000,}|\[{1000,}", "(...)", said)
    said = re.sub(r"[ab]{128}", "(128 digits)", re.sub(r"x{1000,}", "xxx(...)", said))
    return said.strip()


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if isinstance(bad, Typed)])
def test_a_command_line_is_refused_and_nothing_is_changed(
    typed: Callable[[Typed], tuple[int, str]], name: str
) -> None:
    bad = BAD[name]
    assert isinstance(bad, Typed)
    code, said = typed(bad)
    lines = [line for line in said.strip().splitlines() if not line.startswith("inventory: ")]
    golden_part(GOLDEN, TITLE, name, list(BAD), shown("\n".join([f"(exit {code})", *lines])))
    assert code == bad.exit_code
    assert "Traceback" not in said
    assert said == visible(said)
    assert lines[1:] or ", and not " in lines[0], "neither a hint nor what was expected"
    assert all(line.startswith("hint: ") for line in lines[1:])
    assert len(lines) <= 2


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if isinstance(bad, Called)])
def test_what_others_have_said_is_refused(tmp_path: Path, name: str) -> None:
    bad = BAD[name]
    assert isinstance(bad, Called)
    with pytest.raises(NodeprovError) as caught:
        bad.refuse(tmp_path)
    code = caught.value.exit_code
    said = visible(str(caught.value.at("worker1")).replace(str(tmp_path), "FOLDER"))
    golden_part(GOLDEN, TITLE, name, list(BAD), shown(f"(exit {code})\n{said}"))
    assert code == bad.exit_code
    assert len(said.splitlines()) == 2
    assert caught.value.hint


def test_there_are_as_many_as_were_wanted() -> None:
    assert len(BAD) >= 80
