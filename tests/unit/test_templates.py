from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError  # noqa: TID251  what a test must see is jinja's own error

from nodeprov.hosts.local import run_program
from nodeprov.kubernetes.images import ProofImage
from nodeprov.templates import render
from tests.support.scripts import FOLDER, RESTARTED, SAMPLES, SCRIPTS, rendered

CHECKOUT = Path(__file__).parents[2]
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))
SHELLCHECK = (str(Path(sys.executable).with_name("shellcheck")), "--shell=sh", "--format=gcc")
HOSTILE = (
    "plain",
    "",
    "two words",
    "it's",
    'say "hi"',
    "$HOME",
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned",
    "a\nb",
    "a\n",
    "back\\slash\\n",
    "-n",
    "--",
    "*",
    "~root",
    "!!",
    "#",
    "größe ☃",
    "'\"'\"'",
    "'; touch pwned; '",
    "{{ 7 * 7 }}",
)


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'unit' is undefined"):
        render("switch/restart.sh.j2")


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_takes_what_nobody_gives_for_empty(template: str) -> None:
    if re.search(r"(\{\{|\{% if( not)?|\{% for \w+ in) *[a-z_]+", (FOLDER / template).read_text()):
        with pytest.raises((UndefinedError, TypeError), match=r"[Uu]ndefined"):
            render(template)
    else:
        assert "{{" not in render(template)


def said_by_sh(values: list[str]) -> str:
    """Let a real sh say what it takes rendered values for."""
    scripts = [render("switch/restart.sh.j2", unit=value, **RESTARTED) for value in values]
    assignments = [script.partition("\n# One that")[0] for script in scripts]
    script = "\n".join(f"{each}\nprintf '%s;' \"$unit\"" for each in assignments)
    output = run_program(["sh", "-c", script])
    assert (output.returncode, output.stderr) == (0, b"")
    return output.stdout.decode()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_string_is_one_word_for_a_real_shell(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said_by_sh([value]) == f"{value};"
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=200))
@settings(max_examples=20, deadline=None)
def test_any_string_is_one_word_for_a_real_shell(values: list[str]) -> None:
    assert said_by_sh(values) == "".join(f"{value};" for value in values)


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9-]*", fullmatch=True), st.text(), max_size=4))
def test_runsc_toml_is_read_back_by_toml(binary: str, flags: dict[str, str]) -> None:
    assert tomllib.loads(render("gvisor/runsc.toml.j2", binary=binary, flags=flags)) == {
        "binary_name": binary,
        "runsc_config": flags,
    }


@pytest.mark.parametrize("node", ["worker1", None])
def test_a_pod_is_json_and_names_a_node_only_if_one_is_asked_for(node: str | None) -> None:
    command = ["sh", "-c", 'echo "it\'s" </dev/null && true']
    image = ProofImage("localhost/proof:1", "Never", "")
    values: dict[str, object] = {
        "name": "p",
        "namespace": "default",
        "runtime_class": "gvisor",
        "image": image,
        "memory": "64Mi",
    }
    values |= {"cpu": "200m", "deadline_seconds": 600}
    pod = json.loads(render("cluster/pod.json.j2", node=node, command=command, **values))
    assert pod["spec"].get("nodeName") == node
    assert pod["spec"]["runtimeClassName"] == "gvisor"
    assert pod["spec"]["containers"][0]["command"] == command


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_one_that_sh_can_parse(name: str) -> None:
    for script in rendered(name):
        output = run_program(["sh", "-n"], stdin=script.encode())
        assert (output.returncode, output.said) == (0, "")


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_has_nothing_to_say_of_a_script(name: str) -> None:
    for script in rendered(name):
        output = run_program([*SHELLCHECK, "-"], stdin=script.encode())
        assert output.returncode == 0, output.text


def test_shellcheck_has_nothing_to_say_of_the_projects_own_programs() -> None:
    files = [*(CHECKOUT / "script").iterdir(), *(CHECKOUT / ".ci").iterdir()]
    programs = [path for path in files if path.read_text().startswith("#!/bin/sh")]
    assert len(programs) > 3
    output = run_program([*SHELLCHECK, *map(str, programs)])
    assert output.returncode == 0, output.text


def test_every_script_is_rendered_by_these_tests() -> None:
    assert len(SCRIPTS) == len(list(FOLDER.rglob("*.sh.j2"))), "two have the same name"
    assert SAMPLES.keys() == SCRIPTS.keys(), "tests/support/scripts.py has what is given to each"


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_goes_into_a_script_is_quoted(name: str) -> None:
    """Numbers, modes, digests and whole scripts apart, every value passes the filter."""
    unquoted = {
        match
        for match in re.findall(r"\{\{([^}]*)\}\}", (FOLDER / SCRIPTS[name]).read_text())
        if not re.search(r"\|\s*sh\s*$", match)
    }
    allowed = {
        "ask.sh.j2": {" mark ", " script "},
        "kubectl.sh.j2": {" call "},
        "query-imports.sh.j2": {" pattern "},
        "write-file.sh.j2": {" sha256 "},
        "write-tree.sh.j2": {" entry.sha256 ", " entry.path ", ' "%o" % entry.mode '},
        "bystanders.sh.j2": {" quiet_seconds "},
        "prove-serving.sh.j2": {" patience_seconds ", " settle_seconds "},
        "restart.sh.j2": {" restart_seconds "},
        "switch.sh.j2": {" loop.index ", " confirm_seconds "},
        "arm.sh.j2": {" loop.index ", " most_seconds "},
        "settle.sh.j2": {" wait_seconds "},
        "switched.sh.j2": {" wait_seconds "},
        "switch-ends.sh.j2": {" wait_seconds "},
        "doctor.sh.j2": {" pid "},
        "dry-start.sh.j2": {" limit ", " seconds "},
        "dry-start-apart.sh.j2": {" limit "},
        "lock.sh.j2": {" silence_seconds ", " silence_seconds + 5 "},
        "prove-sandbox.sh.j2": {" id ", " timeout_seconds "},
        "sweep-proofs.sh.j2": {" cleanup_seconds "},
        "install-node.sh.j2": {' units | join(" ") ', ' control_plane | join(" ") '},
        "packages.sh.j2": {' packages | join(" ") '},
        "wait-cluster.sh.j2": {" node ", " nodes[0] ", " timeout_seconds "},
    }
    assert unquoted <= allowed.get(name, set())


def test_the_filter_quotes_as_python_does() -> None:
    for value in HOSTILE:
        assert render("switch/restart.sh.j2", unit=value, **RESTARTED).startswith(f"unit={shlex.quote(value)}\n")
