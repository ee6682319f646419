"""`nodeprov explain`: exit codes, JSON, and where the text comes from."""

from __future__ import annotations

import json
from pathlib import Path

from nodeprov.hosts.local import run_program
from nodeprov.local_files import LARGEST_BYTES
from tests.support.command_line import NODEPROV, at_home, said

ERROR = 'Warning  FailedCreatePodSandBox  no runtime for "runsc" is configured'


def test_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "kubelet.log").write_text(f"well\n{ERROR}\n")
    output = at_home(tmp_path, "explain", "kubelet.log")
    assert output.returncode == 0
    lines = output.text.splitlines()
    assert lines[0] == 'line 2: no runtime for "runsc" is configured'
    assert lines[1].startswith("  cause: containerd on this node does not know the handler runsc")
    assert lines[1].endswith("(handler-unknown)")
    assert lines[3] == "  do: nodeprov install NODE"


def test_standard_input_is_explained_as_json() -> None:
    output = run_program([*NODEPROV, "explain", "--json"], stdin=ERROR.encode())
    assert output.returncode == 0
    (found,) = json.loads(output.text)["explanations"]
    assert (found["id"], found["line"]) == ("handler-unknown", 1)


def test_what_is_not_known_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("something else\n")
    output = at_home(tmp_path, "explain", "a.log")
    assert (output.returncode, output.text) == (1, "")
    assert "nothing of it is known" in said(output)
    assert json.loads(at_home(tmp_path, "explain", "a.log", "--json").text)["explanations"] == []


def test_bad_input_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_text("\n")
    with (tmp_path / "large.log").open("wb") as large:
        large.truncate(LARGEST_BYTES + 1)
    for name, words in (("empty.log", "nothing in it"), ("large.log", "tail --bytes"), ("no.log", "No such file")):
        output = at_home(tmp_path, "explain", name)
        assert output.returncode == 2
        assert words in said(output)
        assert "hint: " in said(output)


def test_a_file_that_is_not_there_is_not_to_be_cut_first(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("no.log", "folder"):
        hint = said(at_home(tmp_path, "explain", name)).partition("hint: ")[2]
        assert hint.startswith("kubectl describe pod NAME | nodeprov explain -"), name


def test_a_file_that_is_called_pod_is_read(tmp_path: Path) -> None:
    (tmp_path / "pod").write_text(f"{ERROR}\n")
    assert at_home(tmp_path, "explain", "pod").returncode == 0


def test_what_is_no_text_does_not_hide_what_is(tmp_path: Path) -> None:
    content = b"\xff\xfe\x00\n" + ERROR.encode() + b"\n\xe9\n"
    (tmp_path / "binary.log").write_bytes(content)
    assert at_home(tmp_path, "explain", "binary.log").text.startswith("line 2: no runtime")
    assert run_program([*NODEPROV, "explain"], stdin=content).text.startswith("line 2: no runtime")


def test_arguments_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    for arguments, words in (
        (("a.log", "b.log"), "neither one file nor a pod"),
        (("a.log", "--context", "lab"), "say which cluster"),
        (("pod", "shop/Web"), "not the name of a pod"),
        (("pod", "shop/--all"), "not the name of a pod"),
        (("pod", "a/b/c"), "not the name of a pod"),
        (("pod",), "no pod is named"),
    ):
        output = at_home(tmp_path, "explain", *arguments)
        assert output.returncode == 2
        assert words in said(output)
        assert "hint: " in said(output)


def test_a_pod_of_a_cluster_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    output = at_home(tmp_path, "explain", "pod", "shop/web", "--kubeconfig", "nowhere.yaml")
    assert output.returncode == 1
    assert "the pod shop/web cannot be read" in said(output)
    assert "hint: " in said(output)
