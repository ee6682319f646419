"""The engine as a program uses it: its own example, word for word, and its four functions."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
import textwrap
from pathlib import Path

from nodeprov import engine
from nodeprov.engine import Install, Uninstall, apply, check, look, plan
from nodeprov.hosts.local import run_program
from nodeprov.hosts.provider import LocalNode
from nodeprov.inventory import parse
from nodeprov.runtimes import FAMILY
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.documents import CHECKOUT
from tests.support.played_node import INVENTORY, PlayedNode
from tests.support.samples import VERSION, a_run, release


def examples() -> list[str]:
    """The indented parts of the documentation."""
    parts: list[list[str]] = [[]]
    for line in (engine.__doc__ or "").splitlines():
        if line.startswith("    ") or (parts[-1] and not line):
            parts[-1].append(line)
        elif parts[-1]:
            parts.append([])
    return [textwrap.dedent("\n".join(part)) for part in parts if part]


def published(folder: Path) -> str:
    """A folder with a release whose programs are programs, and do nothing; return its address."""
    place = folder / "published" / "release" / VERSION / platform.machine()
    place.mkdir(parents=True)
    nothing = Path(shutil.which("true") or "").read_bytes()
    for name in ("runsc", "containerd-shim-runsc-v1"):
        content = nothing + f"\0release-{VERSION}\0".encode()
        (place / name).write_bytes(content)
        (place / f"{name}.sha512").write_text(f"{hashlib.sha512(content).hexdigest()}  {name}\n")
    return str(folder / "published")


def test_the_example_of_the_documentation_installs_a_node(node: PlayedNode, tmp_path: Path) -> None:
    example, _ = examples()
    text = INVENTORY.replace("[release]\n", f'[release]\nbase_url = "{published(tmp_path)}"\n')
    (tmp_path / "nodeprov.toml").write_text(text)
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(Path(__file__).parents[3])}
    script = 'cd -- "$1" && exec "$2" -c "$3"'
    command = [*node.enter, "sh", "-c", script, "sh", str(tmp_path), sys.executable, example]
    ended = run_program(command, environment=environment)
    assert ended.returncode == 0, ended.said
    first, *_, last = ended.text.splitlines()
    assert (first, last) == ("worker1 begun Change", "worker1 is as the inventory wants it")
    assert "runtimes.runsc" in node.config()


def test_the_example_of_one_node_installs_it(node: PlayedNode, tmp_path: Path) -> None:
    _, example = examples()
    with LocalNode("worker1", enter=node.enter) as provider:
        (worker1,) = parse(INVENTORY, "nodeprov.toml").nodes
        known = {"node": worker1, "hosts": provider.of(worker1), "FAMILY": FAMILY}
        known["release"] = release(tmp_path, content=b"#!/bin/sh\n")
        values = {**vars(engine), **known}
        exec(example, values)
    assert values["problems"] == ()
    assert values["outcome"].exit_code == 0
    assert "runtimes.runsc" in node.config()


def test_what_stands_against_a_change_is_found_without_another_look(node: PlayedNode) -> None:
    commands: list[str] = []
    text = INVENTORY.replace(VERSION, "20220207.0")
    (worker1,) = parse(text, "nodeprov.toml").nodes
    with LocalNode("worker1", enter=node.enter, on_command=lambda *_: commands.append("")) as provider:
        state = look(worker1, provider.of(worker1), Install(GVISOR))
        looked = len(commands)
        assert check(state, Uninstall(GVISOR)) == ()
        assert check(state, Install(GVISOR)) == check(state, Install(GVISOR))
        assert len(commands) == looked


def test_a_plan_that_changes_nothing_is_applied_without_a_lock(node: PlayedNode) -> None:
    (worker1,) = parse(INVENTORY, "nodeprov.toml").nodes
    with LocalNode("worker1", enter=node.enter) as provider:
        hosts = provider.of(worker1)
        before = node.listing()
        outcome = apply(plan(look(worker1, hosts, Uninstall(GVISOR)), Uninstall(GVISOR), hosts), hosts, a_run())
    assert (outcome.exit_code, outcome.done) == (0, ())
    assert node.listing() == before


def test_it_brings_no_command_line() -> None:
    script = "import sys, nodeprov.engine; print(*sys.modules)"
    found = run_program([sys.executable, "-c", script]).text.split()
    assert "nodeprov.engine.fleet" in found
    assert {"typer", "click", "rich", "nodeprov.cli"}.isdisjoint(found)


def test_all_that_it_names_is_there() -> None:
    assert set(engine.__all__) <= set(vars(engine))


FROM_ELSEWHERE = {"LocalNode", "SshHosts", "NodeprovError"}
"""What the page says to import from other modules."""


def test_what_the_page_names_is_there_to_import() -> None:
    page = (CHECKOUT / "docs" / "engine.md").read_text()
    named = {*re.findall(r"`([A-Z][A-Za-z]+)[(`]", page)}
    assert named - FROM_ELSEWHERE <= {*engine.__all__}
    assert "Outcome" in named
