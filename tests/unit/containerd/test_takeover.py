"""A table that somebody else wrote becomes ours, and theirs again, and every other byte stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.containerd import Config, Refused, add_runtime
from nodeprov.containerd.takeover import handed_back, others_table, taken_between, taken_over
from tests.support.containerd_texts import RUNSC

GOLDEN = Path(__file__).parents[2] / "golden" / "containerd"
PLACE = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc'
AROUND = ("version = 3\n# theirs\n", "\n[debug]\n  level = 'info'   # kept\n")

OTHERS = {
    "the tutorial's": f'{PLACE}]\n  runtime_type = "io.containerd.runsc.v1"\n',
    "with options": f"""\
{PLACE}]
  runtime_type = "io.containerd.runsc.v1" # by hand
  pod_annotations = ["dev.gvisor.*"]
{PLACE}.options]
  TypeUrl = "io.containerd.runsc.v1.options"
  ConfigPath = "/etc/containerd/runsc.toml"
""",
    "with the shim's path": f"""\
{PLACE}]
  runtime_type = "io.containerd.runsc.v1"
  runtime_path = "/usr/local/bin/containerd-shim-runsc-v1"
  runtime_root = ""
  snapshotter = "overlayfs"
""",
    "an inline table": """\
[plugins."io.containerd.cri.v1.runtime".containerd]
  runtimes.runsc = { runtime_type = "io.containerd.runsc.v1", options = { BinaryName = "/usr/bin/runsc" } }
""",
}


@pytest.mark.parametrize("table", OTHERS.values(), ids=OTHERS.keys())
def test_it_becomes_ours_with_what_it_said_about_pods_and_theirs_again(table: str) -> None:
    config = Config(table.join(AROUND))
    theirs = others_table(config, RUNSC)
    assert theirs is not None
    ours = taken_over(config, RUNSC)
    assert others_table(ours, RUNSC) is None
    kept = {key: value for key, value in theirs.items() if key in ("pod_annotations", "snapshotter")}
    assert ours.declared("runsc") == {**kept, **RUNSC.table()}
    assert all(part in ours.text for part in AROUND)
    assert add_runtime(ours.text, RUNSC) == ours.text, "an install after it has nothing to do"
    assert taken_over(ours, RUNSC) == ours
    taken = taken_between(config, ours, [RUNSC])
    assert taken is not None
    assert handed_back(ours, [RUNSC], taken) == config
    for above, below in (("# of another tool\n", ""), ("", "[grpc]\n  gid = 1\n")):
        found = handed_back(Config(above + ours.text + below), [RUNSC], taken)
        assert found.text == above + config.text + below


@pytest.mark.parametrize("table", OTHERS.values(), ids=OTHERS.keys())
def test_where_the_lines_around_it_are_others_by_now_its_own_bytes_come_to_the_end(table: str) -> None:
    config = Config(table.join(AROUND))
    ours = taken_over(config, RUNSC)
    taken = taken_between(config, ours, [RUNSC])
    assert taken is not None
    others = "version = 3 # as another tool writes it\n[metrics]\n  address = ''"
    back = handed_back(Config(add_runtime(others, RUNSC)), [RUNSC], taken)
    assert back.declared("runsc") == others_table(config, RUNSC)
    assert back.text.startswith(others)
    assert (table.rstrip("\n") in back.text) is table.startswith(PLACE)
    assert "put back by nodeprov" in back.text


def test_what_kubespray_writes_is_taken_over() -> None:
    config = Config((GOLDEN / "kubespray-gvisor.toml").read_text())
    theirs = others_table(config, RUNSC)
    assert theirs is not None
    ours = taken_over(config, RUNSC)
    assert ours.declared(
        "runsc",
    ) == {
        **{
            key: value for key, value in theirs.items() if key not in ("runtime_engine", "runtime_root", "options")
        },
        **RUNSC.table(),
    }
    gone = {*config.text.splitlines()} - {*ours.text.splitlines()}
    assert len(gone) <= 4, gone


def test_where_nobody_else_has_a_table_nothing_is_changed() -> None:
    for text in ("version = 3\n", add_runtime("version = 3\n", RUNSC)):
        assert others_table(Config(text), RUNSC) is None
        assert taken_over(Config(text), RUNSC).text == text
    theirs = Config(OTHERS["the tutorial's"].join(AROUND))
    taken = taken_between(theirs, taken_over(theirs, RUNSC), [RUNSC])
    assert taken is not None
    assert handed_back(Config("version = 3\n"), [RUNSC], taken).text == "version = 3\n"
    assert taken_between(Config("version = 3\n"), Config(add_runtime("version = 3\n", RUNSC)), [RUNSC]) is None


def test_another_runtime_that_has_the_name_is_not_taken_over() -> None:
    text = f'version = 3\n{PLACE}]\nruntime_type = "io.containerd.kata.v2"\n'
    with pytest.raises(Refused, match=r"\(line 2\) is another runtime's: .*kata") as refused:
        taken_over(Config(text), RUNSC)
    assert "[runtime] handler" in refused.value.hint
