"""A plan as text, painted, and as JSON, and what a diff shows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nodeprov.plan.goal import Change
from nodeprov.plan.plan import INSTALL as TO_INSTALL
from nodeprov.plan.plan import Plan
from nodeprov.plan.steps import Drain, Restart, Step, Swap, Wait
from nodeprov.reports.plan import diff, painted, plan_json, plan_text, plan_texts, summary
from nodeprov.states import FileState, LabelState, LinkState
from tests.support.plans import (
    CLASSED,
    CONFIG_KEY,
    INSTALL,
    LABELLED,
    NOTHING,
    PLAN_FIELDS,
    PLANS,
    SECRET,
    SERVING,
    TOML,
    TREE,
    UNINSTALL,
    UPGRADE,
    change,
    through_json,
)
from tests.support.runs import plan_of
from tests.support.samples import GOLDEN, golden, resource


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_written_for_a_person(name: str) -> None:
    golden(f"report/plan-{name}.txt", plan_text(PLANS[name]) + "\n")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("file:/etc/a:b.toml", "file /etc/a:b.toml"),
        ("link:/usr/local/bin/runsc", "link /usr/local/bin/runsc"),
        ("tree:/opt/nodeprov/releases/r", "release /opt/nodeprov/releases/r"),
        ("folder:/opt/nodeprov/releases/r", "folder /opt/nodeprov/releases/r"),
        ("label:worker1:example.com/gvisor", "label example.com/gvisor on node worker1"),
        ("runtimeclass:gvisor", "RuntimeClass gvisor"),
    ],
)
def test_a_resource_is_named_for_a_person(key: str, said: str) -> None:
    assert resource(key).title == said


def test_links_and_trees_have_no_diff() -> None:
    assert diff(change("link:/x", LinkState("a"), LinkState("b"))) == []
    assert diff(change("tree:/x", None, TREE)) == []


def test_a_missing_and_a_removed_file_are_compared_with_nothing() -> None:
    assert diff(change(CONFIG_KEY, None, TOML))[:2] == [
        "--- /dev/null",
        "+++ /etc/containerd/config.toml (wanted)",
    ]
    assert diff(change(CONFIG_KEY, TOML, None))[:2] == [
        "--- /etc/containerd/config.toml (as it is)",
        "+++ /dev/null",
    ]


STEP_FIELDS = {
    "change": {"step", "resource", "place", "before", "after", "diff", "why"},
    "restart": {"step", "unit"},
    "drain": {"step", "pods", "losses"},
    "proof": {"step", "name", "title", "subject"},
}
RESTART_FIELDS = {"unit", "reasons", "activates", "loses"}
STATE_FIELDS = {
    "file": {"kind", "bytes", "mode", "owner"},
    "link": {"kind", "target"},
    "tree": {"kind", "files", "digest"},
    "label": {"kind", "value"},
    "object": {"kind", "manifest"},
    "present": {"kind"},
}


@pytest.mark.parametrize("name", PLANS)
def test_the_json_of_a_plan_has_the_fields_that_are_documented(name: str) -> None:
    value = through_json(plan_json(PLANS[name]))
    assert set(value) == PLAN_FIELDS
    assert value["schema"] == 1
    assert [set(step) for step in value["steps"]] == [STEP_FIELDS[step["step"]] for step in value["steps"]]
    states = [step[side] for step in value["steps"] for side in ("before", "after") if step.get(side)]
    assert [set(state) for state in states] == [STATE_FIELDS[state["kind"]] for state in states]
    assert value["restart"] is None or set(value["restart"]) == RESTART_FIELDS


def test_every_documented_kind_of_step_and_state_is_in_some_plan() -> None:
    steps = [step for plan in PLANS.values() for step in plan_json(plan)["steps"]]
    assert {step["step"] for step in steps} == set(STEP_FIELDS)
    states = [step[side] for step in steps for side in ("before", "after") if step.get(side)]
    assert {state["kind"] for state in states} == set(STATE_FIELDS)


def test_the_json_of_a_plan_says_what_the_text_says() -> None:
    value = plan_json(INSTALL)
    assert (value["node"], value["action"], value["pending"]) == ("worker1", "install", True)
    assert value["upload_bytes"] == 331_000_000
    assert value["restart"]["unit"] == "containerd.service"
    assert value["notes"] == list(INSTALL.notes)
    changes = [step for step in value["steps"] if step["step"] == "change"]
    assert [step["resource"] for step in changes] == [each.resource.key for each in INSTALL.changes]
    assert [step["place"] for step in changes] == ["node"] * 7 + ["cluster"] * 2
    assert changes[0]["after"] == {"kind": "tree", "files": 2, "digest": TREE.digest}
    assert changes[1]["after"] == {"kind": "file", "bytes": len(TOML.content), "mode": "0644", "owner": "0:0"}
    assert changes[4]["why"] == "the commit: one rename"
    assert (changes[0]["before"], changes[7]["before"]) == (None, None)
    removed = [step for step in plan_json(UNINSTALL)["steps"] if step.get("resource", "").startswith("folder:")]
    assert [(step["before"], step["after"]) for step in removed] == [({"kind": "present"}, None)] * 2
    assert plan_json(NOTHING)["pending"] is False


@pytest.mark.parametrize(
    ("steps", "headline"),
    [
        ((LABELLED,), "worker1: install: 1 change, no restart"),
        ((LABELLED, CLASSED), "worker1: install: 2 changes, no restart"),
        ((Swap((), Restart("c.service", ()), SERVING),), "worker1: install: 0 changes, containerd restarts"),
    ],
)
def test_a_plan_begins_with_how_much_it_does(steps: tuple[Step, ...], headline: str) -> None:
    assert plan_text(Plan("worker1", TO_INSTALL, steps)).splitlines()[0] == headline


def test_another_value_of_a_label_is_shown_with_the_one_before() -> None:
    plan = Plan("worker1", TO_INSTALL, (change("label:worker1:k", LabelState("a"), LabelState("b")),))
    assert plan_text(plan).splitlines()[1] == "  ~ label k on node worker1 = b (was a)"


def test_a_change_of_only_the_mode_is_shown() -> None:
    plan = Plan("n", TO_INSTALL, (change(CONFIG_KEY, FileState(b"x", 0o600), FileState(b"x", 0o644)),))
    assert plan_text(plan).splitlines()[1] == "  ~ file /etc/containerd/config.toml: mode 0644 (was 0600)"


def test_a_files_content_is_nowhere_in_the_json() -> None:
    secret = FileState(f"x = 1\n{'y = 2' * 5}\npassword = '{SECRET}'\n".encode(), 0o600)
    plan = Plan("n", TO_INSTALL, (change("file:/x", secret, None), change("file:/y", None, secret)))
    assert SECRET not in json.dumps(plan_json(plan))
    assert "base64" not in json.dumps(plan_json(plan))


def test_a_plan_is_painted_by_its_signs() -> None:
    text = (GOLDEN / "report" / "plan-install.txt").read_text().rstrip()
    painted_lines = painted(text).split("\n")
    assert "\n".join(line.plain for line in painted_lines) == text
    styles = {line.plain: [str(span.style) for span in line.spans] for line in painted_lines}
    expected = {"  + ": "green", "  ~ ": "yellow", "  ! ": "bold", "      +": "green", "      @": "cyan"}
    for start, style in expected.items():
        found = [said for line, said in styles.items() if line.startswith(start)]
        assert found
        assert all(said == [style] for said in found), start
    assert not [said for line, said in styles.items() if said and line.startswith(("  ? ", "  note", "worker1"))]


def texts(before: str, after: str) -> Change:
    return change(CONFIG_KEY, FileState(before.encode(), 0o644), FileState(after.encode(), 0o644))


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{SECRET}"',
        f'passwd = "{SECRET}"',
        f'auth = "{SECRET}"',
        f"identitytoken = '{SECRET}'",
        f'  CLIENT_SECRET="{SECRET}"',
        f'Authorization = ["Basic {SECRET}"]',
        f"registry.configs.\"r.io\".auth.password = '{SECRET}'",
        f'credential_helper = "{SECRET}"',
        f'auth = {{ username = "u", password = "{SECRET}" }}',
        f"configs = {{ 'r.io' = {{ auth = {{ password = '{SECRET}' }} }} }}",
        f"env = ['REGISTRY_TOKEN={SECRET}']",
        f"endpoint = ['https://u:{SECRET}@r.io']",
    ],
)
@pytest.mark.parametrize("near", ["added", "removed", "beside"])
def test_a_secret_is_not_shown_in_a_diff_and_its_name_is(line: str, near: str) -> None:
    before, after = {
        "added": ("a = 1\n", f"a = 1\n{line}\n"),
        "removed": (f"a = 1\n{line}\n", "a = 1\n"),
        "beside": (f"{line}\n", f"{line}\nb = 2\n"),
    }[near]
    text = "\n".join(diff(texts(before, after)))
    assert SECRET not in text
    assert f"{line.partition('=')[0].rstrip()} (not shown)" in text
    assert SECRET not in json.dumps(plan_json(Plan("n", TO_INSTALL, (texts(before, after),))))


def test_a_secret_on_a_line_of_a_longer_list_is_not_shown() -> None:
    lines = diff(texts("", f"env = [\n  'TOKEN: {SECRET}',\n]\n"))
    assert lines[-3:] == ["+env (not shown)", "+ (not shown)", "+ (not shown)"], "the list is one value"


KEY = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "value",
    [
        f'password = """\n{SECRET}\n"""',
        f"password = '''\n{SECRET}\nand more'''",
        f'password = """first \\\n    {SECRET}"""',
        f'tokens = [\n  "a",\n  # old\n  ["{SECRET}"],\n]',
        f'[registry.auth]\nname = """\n{SECRET}"""',
        f'key = """\n{KEY}\n"""',
        f'header = """\nAuthorization:\n{SECRET}"""',
        f'auth = """\n{{{{ if .X }}}}\n{SECRET}\n"""\n{{{{ template "base" . }}}}',
    ],
)
@pytest.mark.parametrize("near", ["added", "removed", "beside", "in its middle"])
def test_a_secret_that_goes_over_lines_is_not_shown_in_a_diff(value: str, near: str) -> None:
    before, after = {
        "added": ("a = 1\n", f"a = 1\n{value}\n"),
        "removed": (f"a = 1\n{value}\n", "a = 1\n"),
        "beside": (f"{value}\n", f"{value}\nb = 2\n"),
        "in its middle": (f"{value}\n", f"{value.replace(SECRET, SECRET + ' and more')}\n"),
    }[near]
    shown = "\n".join(diff(texts(before, after)))
    assert SECRET not in shown
    assert "(not shown)" in shown
    assert "-----END" not in shown


def test_what_stands_around_a_secret_that_goes_over_lines_is_shown() -> None:
    value = f'a = 1\npassword = """\n{SECRET}\n"""\nb = 2\n'
    lines = diff(texts(f"{value}", f"{value}c = 3\n"))
    assert lines[-2:] == [" b = 2", "+c = 3"]


def test_what_is_no_secret_is_shown() -> None:
    assert diff(texts("", 'runtime_path = "/x"\n'))[-1] == '+runtime_path = "/x"'


def test_a_file_that_is_no_text_can_be_shown() -> None:
    made = change(CONFIG_KEY, None, FileState(b"\xff\n", 0o644))
    assert diff(made)[-1] == "+\\xff"


def test_of_many_nodes_plans_that_are_alike_are_written_once() -> None:
    names = [f"worker{number}" for number in range(2, 14)]
    plans = [plan_of(name) for name in names] + [plan_of("gpu-1", NOTHING), plan_of("gpu-2", NOTHING)]
    written = list(plan_texts(plans))
    assert written[0] == plan_text(plans[0])
    assert written[1] == f"{', '.join(names[1:])}: the same as worker2, 11 nodes"
    assert written[2:4] == [plan_text(plans[-2]), "gpu-2: the same as gpu-1"]
    (last,) = written[4:]
    assert last == "14 nodes: 108 changes, 3972 MB to upload, containerd restarts on 12; nothing to do on 2"


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        ([NOTHING, NOTHING], "2 nodes: nothing to do"),
        ([INSTALL, INSTALL], "2 nodes: 18 changes, 662 MB to upload, containerd restarts on 2"),
        ([UPGRADE, NOTHING], "2 nodes: 7 changes, 480.5 kB to upload, no restart; nothing to do on 1"),
        ([UNINSTALL, UNINSTALL], "2 nodes: 14 changes, containerd restarts on 2"),
    ],
)
def test_several_plans_are_summed_up(plans: list[Plan], said: str) -> None:
    assert summary(plans) == said
    assert list(plan_texts(plans))[-1] == said


def test_one_plan_needs_no_sum() -> None:
    assert list(plan_texts([INSTALL])) == [plan_text(INSTALL)]


@pytest.mark.parametrize(
    ("releases", "said"),
    [
        (("", "20260905.0-aa"), "7 changes"),
        (("20260905.0-aa", "20260905.0-aa"), "7 changes"),
        (("20260518.0-aa", "20260905.0-bb"), "20260518.0 -> 20260905.0, 7 changes"),
        (("20260905.0-aa", "20260518.0-bb"), "20260905.0 -> 20260518.0 (older), 7 changes"),
        (("20260905.0-aa", "20260905.1-bb"), "20260905.0 -> 20260905.1, 7 changes"),
        (("20260905.0-aa", "20260905.0-bb"), "20260905.0-aa -> 20260905.0-bb, 7 changes"),
    ],
)
def test_a_plan_that_replaces_a_release_says_by_which(releases: tuple[str, str], said: str) -> None:
    plan = replace(UPGRADE, releases=releases)
    assert plan_text(plan).splitlines()[0] == f"worker1: install: {said}, 480.5 kB to upload, no restart"
    assert plan_json(plan)["releases"] == {"before": releases[0], "after": releases[1]}


def test_plans_are_alike_though_each_names_its_own_node() -> None:
    labels = [
        (name, change(f"label:{name}:example.com/a", None, LabelState("true")))
        for name in ("n1", "n2", "n10", "n20")
    ]
    plans = [Plan(name, TO_INSTALL, (label,)) for name, label in labels]
    assert len(list(plan_texts(plans))) == 3
    other = Plan("n3", TO_INSTALL, (labels[0][1],))  # it would label another node
    assert list(plan_texts([*plans, other]))[-2] == plan_text(other)


@pytest.mark.parametrize(
    ("drain", "lines"),
    [
        (
            Drain((), wait=Wait("app=batch", 600, False, ("a/b", "a/c"))),
            [
                "! cordon the node and wait until its pods of app=batch have ended: a/b, a/c",
                "    for 600 s at most; then the run fails, and the node is as before",
            ],
        ),
        (
            Drain(("a/web",), whole=True, wait=Wait("app=batch", 60, True, ())),
            [
                "! cordon the node and wait until its pods of app=batch have ended: none runs now",
                "    for 60 s at most; then they are evicted",
                "! evict 1 pod: a/web",
            ],
        ),
    ],
)
def test_a_plan_says_for_which_pods_it_waits_and_what_comes_then(drain: Drain, lines: list[str]) -> None:
    text = plan_text(replace(NOTHING, steps=(drain,)))
    assert [line.removeprefix("  ") for line in text.splitlines()[1 : len(lines) + 1]] == lines
    (step,) = through_json(plan_json(replace(NOTHING, steps=(drain,))))["steps"]
    assert drain.wait is not None
    assert step["wait"] == {
        "selector": "app=batch",
        "timeout_seconds": drain.wait.timeout_seconds,
        "evicts": drain.wait.evicts,
        "pods": list(drain.wait.pods),
    }
