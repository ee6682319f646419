"""`nodeprov check`: exit codes, and what is written for people, programs and CI systems."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.command_line import at_home, said

HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n"
PLAIN = f"{HEAD}spec: {{containers: [{{name: a}}]}}\n"
SILENT = f"{HEAD}spec:\n  hostPID: true\n  containers: [{{name: a}}]\n"
REFUSED = f"{HEAD}spec:\n  hostUsers: false\n  hostPID: true\n  containers: [{{name: a}}]\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {}\n"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "pod.yaml"


@pytest.mark.parametrize(("text", "code"), [(PLAIN, 0), (SILENT, 3), (REFUSED, 1), (f"{SILENT}---\n{REFUSED}", 1)])
def test_the_exit_code_is_the_worst(manifest: Path, text: str, code: int) -> None:
    manifest.write_text(text)
    assert at_home(manifest.parent, "check", "pod.yaml").returncode == code


def test_people_read_where_what_and_the_cure(manifest: Path) -> None:
    manifest.write_text(f"{SERVICE}---\n{REFUSED}")
    output = at_home(manifest.parent, "check", "pod.yaml")
    lines = output.text.splitlines()
    assert lines[0] == "pod.yaml:6: Pod shop/web"
    assert lines[1:3] == [
        "  a user namespace of the pod's own does not start: host-users",
        "    spec.hostUsers (line 10)",
    ]
    assert lines[5].startswith("    cure: leave hostUsers out")
    assert "1 workload: 1 with what does not start" in said(output)
    assert "these kinds have no pod and were not checked: Service" in said(output)


def test_what_is_allowed_is_left_out(manifest: Path) -> None:
    manifest.write_text(REFUSED)
    assert at_home(manifest.parent, "check", "pod.yaml", "--allow", "host-users").returncode == 3
    both = at_home(manifest.parent, "check", "pod.yaml", "--allow", "host-users", "--allow", "host-pid")
    assert (both.returncode, both.text) == (0, "")
    unknown = at_home(manifest.parent, "check", "pod.yaml", "--allow", "host-user")
    assert unknown.returncode == 2
    assert "did you mean host-users?" in said(unknown)


def test_programs_and_ci_systems_get_the_same(manifest: Path) -> None:
    manifest.write_text(f"{PLAIN}---\n{SILENT}")
    folder = manifest.parent
    output = at_home(folder, "check", "pod.yaml", "--json", "--sarif", "a.sarif", "--junit", "a.xml")
    plain, silent = json.loads(output.text)["workloads"]
    assert plain["met"] == []
    assert [each["id"] for each in silent["met"]] == ["host-pid"]
    assert silent["met"][0]["fields"] == [{"path": "spec.hostPID", "line": 10}]
    (run,) = json.loads((folder / "a.sarif").read_text())["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("host-pid", "warning")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "pod.yaml"},
        "region": {"startLine": 10},
    }
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == ["host-pid"]
    suite = ElementTree.parse(folder / "a.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "1")
    assert [len(case) for case in suite] == [0, 1]


def test_odd_names_spoil_no_report(tmp_path: Path) -> None:
    (tmp_path / "my pod#1?.yaml").write_text(SILENT.replace("web", '"w\\x01\\e[31m\\ufffe"'))
    at_home(tmp_path, "check", "my pod#1?.yaml", "--sarif", "a.sarif", "--junit", "a.xml")
    (result,) = json.loads((tmp_path / "a.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "my%20pod%231%3F.yaml"}
    case = ElementTree.parse(tmp_path / "a.xml").getroot()[0][0]
    assert case.attrib["name"] == "Pod shop/w\\x01\\x1b[31m\\ufffe"


def test_a_name_that_is_no_text_is_written_as_each_report_can(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.yaml")
    (tmp_path / name).write_text(SILENT)
    output = at_home(tmp_path, "check", name, "--json", "--sarif", "a.sarif", "--junit", "a.xml")
    assert output.returncode == 3, said(output)
    (result,) = json.loads((tmp_path / "a.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "bad%FF.yaml"}
    case = ElementTree.parse(tmp_path / "a.xml").getroot()[0][0]
    assert case.attrib["classname"] == "bad\\udcff.yaml"
    (workload,) = json.loads(output.text)["workloads"]
    assert workload["file"] == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1]]", "pod.yaml:1: it is no YAML"),
        (SERVICE, "there is no pod in it"),
        ("", "there is no pod in it"),
        ("kind: Pod\n", "pod.yaml:1: it is no Kubernetes object: it has no apiVersion"),
    ],
)
def test_bad_input_is_refused_in_words(manifest: Path, text: str, words: str) -> None:
    manifest.write_text(text)
    output = at_home(manifest.parent, "check", "pod.yaml", "--sarif", "a.sarif")
    assert output.returncode == 2
    assert words in said(output)
    assert "hint: " in said(output)
    assert not (manifest.parent / "a.sarif").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    output = at_home(tmp_path, "check", "nowhere.yaml")
    assert output.returncode == 2
    assert "nowhere.yaml" in said(output)


def test_an_empty_name_is_no_folder(tmp_path: Path) -> None:
    output = at_home(tmp_path, "check", "")
    assert output.returncode == 2
    assert "the name of a file is empty" in said(output)


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for arguments, words in (
        ((), "no file is named"),
        (("pod.yaml", "--live"), "two things"),
        (("pod.yaml", "-n", "shop"), "add --live"),
        (("--live", "-n", ""), "--namespace: '' is not a valid name"),
        (("--live", "-n", "a_b"), "--namespace: 'a_b' is not a valid name"),
    ):
        output = at_home(tmp_path, "check", *arguments)
        assert output.returncode == 2
        assert words in said(output)


def test_a_cluster_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    output = at_home(tmp_path, "check", "--live", "--kubeconfig", "nowhere.yaml")
    assert output.returncode == 1
    assert "the workloads of the cluster cannot be read" in said(output)
    assert "hint: " in said(output)
