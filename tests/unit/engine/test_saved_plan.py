"""A saved plan: read back as it was, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nodeprov import inventory
from nodeprov.engine import saved_plan
from nodeprov.engine.look import Install
from nodeprov.engine.planner import Planned
from nodeprov.engine.saved_plan import Saved, changes, from_text, is_done, saved, to_text
from nodeprov.errors import UsageError
from nodeprov.hosts.base import Place
from nodeprov.kubernetes.draining import NOTHING_LOST, Allowed
from nodeprov.node.receipts import Author
from nodeprov.plan.steps import Adopt, Drain, Restart, Sandbox, Serving, Swap, Wait
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.inventories import read_latest
from tests.support.runtimes import layout_of
from tests.support.samples import CONFIG, FakeReader, good_facts, release, with_daemon
from tests.support.situations import planned

ANN = Author("ann", "desk", "0.1.0")
Plan = Callable[..., Planned]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    made = release(tmp_path)

    def plan(facts: Any = None, states: dict[str, Any] | None = None) -> Planned:
        reader = FakeReader(facts=facts or good_facts(), states=states or {})
        return planned(read_latest().nodes[0], {Place.NODE: reader}, Install(GVISOR, made))

    return plan


def saved_of(planned: Planned) -> Saved:
    return saved(read_latest(), [planned], ANN, "2026-11-21T10:00:00+00:00", Install(GVISOR))


def test_what_was_saved_is_read_back(plan: Plan) -> None:
    made = saved_of(plan())
    assert from_text(to_text(made), "x.plan", "0.1.0") == made
    assert changes(made, [plan()]) == ()


def test_each_kind_of_step_has_the_digest_that_nodeprov_has_always_given_it(plan: Plan) -> None:
    """Otherwise a plan that an earlier nodeprov has saved is refused: nothing of it may ever change.

    The values are those of the first saved plans: what a step got since is left out where it says nothing.
    """
    always: dict[str, Any] = {
        "restart of x.service": {"unit": "x.service", "reasons": ["why"], "activates": ["what"]},
        "proof serving": {"name": "serving", "title": "containerd serves, and goes on serving", "subject": ""},
        "proof sandbox /g": {"name": "sandbox", "title": "it runs", "subject": "/g"},
        "eviction of pods": {"pods": ["a/b"]},
        "what is written down": [],
    }
    swap = Swap((), Restart("x.service", ("why",), ("what",)), Serving())
    made = plan()
    steps = (swap, Sandbox("it runs", "/g"), Drain(("a/b",)), Adopt(()))
    (kept,) = saved_of(replace(made, plan=replace(made.plan, steps=steps))).plans
    digests = {name: digest for name, digest in kept.steps if name in always}
    assert digests == {
        name: sha256(json.dumps(value, sort_keys=True).encode()).hexdigest() for name, value in always.items()
    }


def test_what_an_earlier_nodeprov_has_saved_means_no_canary(plan: Plan) -> None:
    made = saved_of(plan())
    assert saved_plan.settings_of_then(made) == ()
    earlier = replace(made, inventory=made.inventory.replace("canary = true\n", ""))
    assert saved_plan.settings_of_then(earlier) == ("runtime.canary=false",)


def test_latest_is_saved_as_the_release_that_it_was(plan: Plan) -> None:
    made = saved_of(plan())
    assert inventory.parse(made.inventory, "x").nodes[0].settings.release.version == "20260905.0"


def test_no_content_of_a_file_is_saved(plan: Plan) -> None:
    text = f'{CONFIG}[plugins."x".registry.configs."r".auth]\npassword = "hunter2"\n'
    made = to_text(saved_of(plan(with_daemon(config=replace(_config(), content=text.encode())))))
    assert "hunter2" not in made
    assert "SystemdCgroup = true" not in json.loads(made)["inventory"]


def _config() -> Any:
    daemon = good_facts().daemon
    assert daemon is not None
    return daemon.config


@pytest.mark.parametrize(
    ("facts", "said"),
    {
        "an edit that the diff shows": (
            with_daemon(config=replace(_config(), content=CONFIG.replace("true", "false").encode())),
            "-       SystemdCgroup = true",
        ),
        "an edit that the diff does not reach": (
            with_daemon(config=replace(_config(), content=f"# new\n{CONFIG}".encode())),
            "",
        ),
        "a mode": (
            with_daemon(config=replace(_config(), mode=0o640)),
            "what it starts from differs: file:/etc/containerd/config.toml: mode 0644, now 0640",
        ),
        "an owner": (
            with_daemon(config=replace(_config(), uid=1, gid=2)),
            "file:/etc/containerd/config.toml: owner 0:0, now 1:2",
        ),
        "another machine": (
            good_facts(machine_id="another"),
            "what it starts from differs: the machine: machine-id 0908b3ce62f277cc2d12b3cfec52c48f, now another",
        ),
    }.values(),
)
def test_a_node_that_has_changed_is_found_and_the_difference_is_shown(plan: Plan, facts: Any, said: str) -> None:
    (error,) = changes(saved_of(plan()), [plan(facts)])
    assert error.where == "worker1"
    assert error.message.startswith(
        "has changed since the plan was saved by ann@desk at 2026-11-21T10:00:00+00:00\n"
    )
    assert said in error.message
    assert "nodeprov plan NODES --out FILE" in error.hint


def test_a_mode_is_named_also_where_the_plan_reads_otherwise(plan: Plan) -> None:
    edited = CONFIG.replace("true", "false").encode()
    facts = with_daemon(config=replace(_config(), content=edited, mode=0o640))
    (error,) = changes(saved_of(plan()), [plan(facts)])
    assert "+++ as it is now" in error.message
    assert error.message.endswith("\nfile:/etc/containerd/config.toml: mode 0644, now 0640")


def test_a_note_alone_is_no_change_of_the_node(plan: Plan) -> None:
    assert changes(saved_of(plan()), [plan(good_facts(os="Debian GNU/Linux 13.1"))]) == ()


def test_a_node_on_which_it_was_done_already_has_not_changed(plan: Plan) -> None:
    made, now = saved_of(plan()), plan()
    done = replace(now, plan=replace(now.plan, steps=()))
    assert (is_done(made, done), changes(made, [done])) == (True, ())
    assert not is_done(made, now)
    of_another = plan(good_facts(machine_id="another"))
    other = replace(of_another, plan=replace(of_another.plan, steps=()))
    assert (is_done(made, other), len(changes(made, [other]))) == (False, 1)
    assert not is_done(saved_of(done), done), "there was nothing to do when it was saved"


def test_a_node_on_which_a_part_was_done_has_changed(plan: Plan, tmp_path: Path) -> None:
    facts = good_facts()
    where = layout_of(read_latest().nodes[0].settings)
    assert where.current
    made = saved_of(plan(facts))
    fewer = plan(facts, {f"tree:{where.releases}/{release(tmp_path).name}": release(tmp_path).tree})
    (error,) = changes(made, [fewer])
    assert "-  + release" in error.message


WAIT = Wait("app=batch", 60, True, ("a/job",))
AS_SAVED = Drain(("a/b",), losses=("a/b: no controller makes it again",), whole=True, wait=WAIT)
DRAINS: dict[str, tuple[Drain, bool]] = {
    "the same": (AS_SAVED, True),
    "other pods": (replace(AS_SAVED, pods=("c/d", "e/f"), wait=replace(WAIT, pods=())), True),
    "more is lost": (replace(AS_SAVED, losses=(*AS_SAVED.losses, "c/d: what is in its emptyDir x")), False),
    "another choice": (replace(AS_SAVED, wait=replace(WAIT, selector="app=web")), False),
    "no waiting": (replace(AS_SAVED, wait=None), False),
    "only the sandboxed": (replace(AS_SAVED, whole=False), False),
}


def with_drain(plan: Plan, drain: Drain) -> Planned:
    made = plan()
    return replace(made, plan=replace(made.plan, steps=(*made.plan.steps, drain)))


@pytest.mark.parametrize(("now", "is_the_same"), DRAINS.values(), ids=DRAINS.keys())
def test_pods_of_a_drained_node_may_be_others_and_what_is_lost_may_not(
    plan: Plan, now: Drain, is_the_same: bool
) -> None:
    found = changes(saved_of(with_drain(plan, AS_SAVED)), [with_drain(plan, now)])
    assert (found == ()) is is_the_same


def test_the_pods_that_an_uninstall_evicts_are_those_that_were_shown(plan: Plan) -> None:
    made = saved_of(with_drain(plan, Drain(("a/b",))))
    assert changes(made, [with_drain(plan, Drain(("a/b",)))]) == ()
    assert changes(made, [with_drain(plan, Drain(("a/b", "c/d")))]) != ()


def test_a_drain_that_an_earlier_nodeprov_has_saved_holds_for_the_same_pods(plan: Plan) -> None:
    made = with_drain(plan, AS_SAVED)
    (kept,) = saved_of(made).plans
    value = {"pods": ["a/b"], "losses": list(AS_SAVED.losses), "whole": True, "wait": asdict(WAIT)}
    digest = sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    earlier = replace(
        saved_of(made), plans=(replace(kept, steps=(*kept.steps[:-1], (kept.steps[-1][0], digest))),)
    )
    assert changes(earlier, [made]) == ()
    assert changes(earlier, [with_drain(plan, replace(AS_SAVED, pods=("c/d",)))]) != ()


BAD = {
    "no JSON": ("", "not a saved plan"),
    "an inventory": ("[nodes]", "not a saved plan"),
    "other JSON": ("[]", "not a saved plan"),
    "a newer schema": ({"schema": 2}, "a newer nodeprov"),
    "an edit": ({"drain": True}, "was edited"),
    "no digest": ({"sha256": ""}, "was edited"),
}


@pytest.mark.parametrize(("damage", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_no_good_file_is_refused_with_a_way_out(
    plan: Plan, damage: str | dict[str, Any], said: str
) -> None:
    value = json.loads(to_text(saved_of(plan())))
    text = damage if isinstance(damage, str) else json.dumps({**value, **damage})
    with pytest.raises(UsageError, match=said) as caught:
        from_text(text, "x.plan", "0.1.0")
    assert (caught.value.where, "plan again" in caught.value.hint) == ("x.plan", True)


def test_a_plan_of_another_nodeprov_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match=r"nodeprov 0\.1\.0 has saved this plan, and this is nodeprov 0\.2\.0"):
        from_text(to_text(saved_of(plan())), "x.plan", "0.2.0")


def test_every_byte_that_is_cut_off_is_noticed(plan: Plan) -> None:
    text = to_text(saved_of(plan()))
    for end in range(0, len(text) - 2, 97):
        with pytest.raises(UsageError):
            from_text(text[:end], "x.plan", "0.1.0")


@pytest.mark.parametrize("allowed", [NOTHING_LOST, Allowed(force=True), Allowed(delete_emptydir_data=True)])
def test_what_a_drain_may_do_is_read_back(plan: Plan, allowed: Allowed) -> None:
    made = replace(saved_of(plan()), drain=True, allowed=allowed)
    assert ("allowed" in json.loads(to_text(made))) == (allowed != NOTHING_LOST)
    assert from_text(to_text(made), "x.plan", "0.1.0") == made


@pytest.mark.parametrize("allowed", [{"force": 1}, {"nosuch": True}, [], {"force": "yes"}])
def test_what_allows_no_drain_is_refused(plan: Plan, allowed: object) -> None:
    value = json.loads(to_text(saved_of(plan())))
    value["allowed"] = allowed
    del value["sha256"]
    signed = {**value, "sha256": saved_plan._digest(value)}
    with pytest.raises(UsageError, match="not understood"):
        from_text(json.dumps(signed), "x.plan", "0.1.0")
