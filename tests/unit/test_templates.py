from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError  # noqa: TID251  what a test must see is jinja's own error

from nodeprov.hosts.local import run_program
from nodeprov.kubernetes.proof_image import ProofImage
from nodeprov.templates import render, toml_string

FOLDER = Path(__file__).parents[2] / "templates"
TEMPLATES = sorted(path.name for path in FOLDER.glob("*.j2"))
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
        render("restart.sh.j2")


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_takes_what_nobody_gives_for_empty(template: str) -> None:
    names = re.findall(r"\{\{\s*([a-z_]+)", (FOLDER / template).read_text())
    if names:
        with pytest.raises((UndefinedError, TypeError), match=r"[Uu]ndefined"):
            render(template)
    else:
        assert "{{" not in render(template)


RESTARTED: Mapping[str, object] = {"restart_seconds": 1}


def said_by_sh(values: list[str]) -> str:
    """Let a real sh say what it takes rendered values for."""
    scripts = [render("restart.sh.j2", unit=value, **RESTARTED) for value in values]
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


@given(st.text())
def test_a_toml_string_is_read_back_by_toml(text: str) -> None:
    assert tomllib.loads(f"x = {toml_string(text)}") == {"x": text}


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9-]*", fullmatch=True), st.text(), max_size=4))
def test_runsc_toml_is_read_back_by_toml(binary: str, flags: dict[str, str]) -> None:
    assert tomllib.loads(render("runsc.toml.j2", binary=binary, flags=flags)) == {
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
    pod = json.loads(render("pod.json.j2", node=node, command=command, **values))
    assert pod["spec"].get("nodeName") == node
    assert pod["spec"]["runtimeClassName"] == "gvisor"
    assert pod["spec"]["containers"][0]["command"] == command


SWITCH: Mapping[str, object] = {
    "state": "/s",
    "folder": "/s/switch",
    "next": "/s/switch.next",
    "units": "/u",
    "recovery": "/u/r.service",
    "recovery_name": "r.service",
    "wants_folder": "/u/c.wants",
    "wants": "/u/c.wants/r.service",
    "marker": "/run/m",
    "unit_name": "s.service",
    "unit": "c.service",
    "ctr": "ctr",
    "socket": "/c.sock",
    "paths": ["/etc/c d.toml", "/etc/own.toml"],
    "files": [{"path": "/etc/c d.toml", "sha256": "0" * 64}],
    "script": "it's",
    "service": "[Unit]",
    "run": "000001-install",
    **{f"{name}_seconds": 1 for name in ("restart", "patience", "settle", "confirm", "most", "wait")},
}
SCRIPTS: Mapping[str, Mapping[str, object]] = {
    "restart.sh.j2": {"unit": "x", **RESTARTED},
    "remove.sh.j2": {"path": "/x", "beside": "/y", "below": ""},
    "write-file.sh.j2": {"path": "/x", "beside": "/y", "mode": "644", "owner": "0:0", "sha256": "0" * 64},
    "write-link.sh.j2": {"path": "/x", "beside": "/y", "target": "t"},
    "query-tree.sh.j2": {"path": "/x"},
    "prove-serving.sh.j2": {
        "unit": "x",
        "ctr": "ctr",
        "socket": "/s",
        "patience_seconds": 1,
        "settle_seconds": 1,
    },
    "prove-sandbox.sh.j2": {
        "id": "i",
        "prefix": "/p",
        "state": "/s",
        "ctr": "ctr",
        "socket": "/s",
        "shim": "/shim",
        "runsc": "/runsc",
        "flags": {"systemd-cgroup": "true", "x": "it's"},
        "timeout_seconds": 1,
        "cleanup_seconds": 1,
    },
    "query-pod-cgroups.sh.j2": {"uid": "u", "prefix": "/p"},
    "import-image.sh.j2": {"ctr": "ctr", "socket": "/s", "name": "n"},
    "remove-image.sh.j2": {"ctr": "ctr", "socket": "/s", "name": "n"},
    "gate-own.sh.j2": {"root": "/etc/c.toml", "candidate": "/etc/.c", "binary": "/b"},
    "facts.sh.j2": {
        "unit": "x",
        "config": "",
        "socket": "",
        "prefix": "/p",
        "prefixes": ["/p", "/q r"],
        "state": "/s",
        "places": ["/p", "/s"],
        "links": ["/l"],
        "origins": ["a.tmpl", "/b.toml"],
    },
    "lock.sh.j2": {"state": "/s", "holder": "h", "ticket": "t", "silence_seconds": 1, "again": True},
    "sweep.sh.j2": {
        "folders": ["/etc/c d"],
        "prefixes": ["/p", "/q r"],
        "state": "/s",
        "ctr": "ctr",
        "socket": "/s",
        "cleanup_seconds": 1,
    },
    "lock-holder.sh.j2": {"lock": "/s/lock"},
    "fence.sh.j2": {"lock": "/s/lock", "ticket": "t", "mark": "m"},
    "doctor.sh.j2": {"pid": 1, "config": "/c"},
    **{f"{name}.sh.j2": SWITCH for name in ("switch", "arm", "settle", "switched", "switch-ends", "confirm")},
}


@pytest.mark.parametrize("template", SCRIPTS)
def test_a_script_is_one_that_sh_can_parse(template: str) -> None:
    output = run_program(["sh", "-n"], stdin=render(template, **SCRIPTS[template]).encode())
    assert (output.returncode, output.said) == (0, "")


@pytest.mark.parametrize("template", [name for name in TEMPLATES if ".sh." in name])
def test_what_goes_into_a_script_is_quoted(template: str) -> None:
    """Numbers, modes, digests and whole scripts apart, every value passes the filter."""
    unquoted = {
        match
        for match in re.findall(r"\{\{([^}]*)\}\}", (FOLDER / template).read_text())
        if not re.search(r"\|\s*sh\s*$", match)
    }
    allowed = {
        "ask.sh.j2": {" mark ", " script "},
        "kubectl.sh.j2": {" call "},
        "query-imports.sh.j2": {" pattern "},
        "write-file.sh.j2": {" sha256 "},
        "write-tree.sh.j2": {" entry.sha256 ", " entry.path ", ' "%o" % entry.mode '},
        "prove-serving.sh.j2": {" patience_seconds ", " settle_seconds "},
        "restart.sh.j2": {" restart_seconds "},
        "switch.sh.j2": {" loop.index ", " confirm_seconds "},
        "arm.sh.j2": {" loop.index ", " most_seconds "},
        "settle.sh.j2": {" wait_seconds "},
        "switched.sh.j2": {" wait_seconds "},
        "switch-ends.sh.j2": {" wait_seconds "},
        "doctor.sh.j2": {" pid "},
        "lock.sh.j2": {" silence_seconds ", " silence_seconds + 5 "},
        "prove-sandbox.sh.j2": {" id ", " timeout_seconds "},
        "sweep-proofs.sh.j2": {" cleanup_seconds "},
    }
    assert unquoted <= allowed.get(template, set())


def test_the_filter_quotes_as_python_does() -> None:
    for value in HOSTILE:
        assert render("restart.sh.j2", unit=value, **RESTARTED).startswith(f"unit={shlex.quote(value)}\n")
