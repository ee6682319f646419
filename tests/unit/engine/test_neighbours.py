"""Another handler on the node: what both have is counted by owner, and the last one takes it away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeprov.errors import Problems
from nodeprov.inventory import Label
from nodeprov.node.receipts import BEGUN, Written
from nodeprov.releases.obtain import Release
from nodeprov.states import FileState, LabelState, LinkState, State
from tests.support.samples import CONFIG, changed, good_facts, receipt_of, settings, with_daemon, with_receipts
from tests.support.situations import (
    ALONE,
    CONFIG_KEY,
    LABEL,
    LABEL_KEY,
    PEOPLE_KEY,
    REMOVED_FROM_NODE,
    TOGETHER,
    Situation,
    after_of,
    fresh,
    in_cluster,
    in_use,
    steps_of,
    uninstallable,
)

FOLDER = "/opt/nodeprov/handlers/kvm"
THEIR_LINK = LinkState(f"{FOLDER}/current/runsc")
LABELLED = Written(LABEL_KEY, None, LabelState("true"))


def neighbour(situation: Situation, *written: Written, number: int = 2, release: str = "") -> Situation:
    """Another handler on the node, and what its receipt says that it has written."""
    facts = situation.facts
    current = Written(f"link:{FOLDER}/current", None, LinkState("1"))
    theirs = with_receipts(facts, receipt_of(number, "install", current, *written, handler="kvm")).receipts
    folders = {**facts.footprint.generations, f"{FOLDER}/1": f"/opt/nodeprov/releases/{release or 'theirs'}"}
    situation.reader.facts = changed(facts, receipts=(*facts.receipts, *theirs), generations=folders)
    return situation


def both(new: Release, *theirs: Written, mine: tuple[Written, ...] = (LABELLED,)) -> Situation:
    situation = in_cluster(uninstallable(new, TOGETHER, *mine), has_label=True, has_class=True)
    return neighbour(situation, *theirs, release=new.name)


class TestLabels:
    def test_a_label_that_another_handler_has_too_stays_and_the_plan_says_so(self, new: Release) -> None:
        planned = both(new, LABELLED).uninstall()
        assert f"- {LABEL_KEY}" not in steps_of(planned, TOGETHER)
        assert "- runtimeclass:gvisor" in steps_of(planned, TOGETHER)
        said = f"label {LABEL} on node worker1 stays: the handler kvm on this node has it too"
        assert said in planned.plan.notes

    def test_a_label_of_this_handler_alone_goes(self, new: Release) -> None:
        planned = both(new, Written(f"label:worker1:{LABEL}-kvm", None, LabelState("true"))).uninstall()
        assert f"- {LABEL_KEY}" in steps_of(planned, TOGETHER)

    @pytest.mark.parametrize(("state", "stays"), [("done", False), (BEGUN, True)])
    def test_an_uninstall_of_the_other_that_did_not_end_has_let_go_of_nothing(
        self, new: Release, state: str, stays: bool
    ) -> None:
        situation = both(new, LABELLED)
        gone = Written(LABEL_KEY, LabelState("true"), None)
        ended = with_receipts(
            situation.facts, receipt_of(3, "uninstall", gone, state=state, handler="kvm")
        ).receipts
        situation.reader.facts = changed(
            situation.facts, receipts=(*situation.facts.receipts, *ended), generations={}
        )
        assert (f"- {LABEL_KEY}" not in steps_of(situation.uninstall(), TOGETHER)) == stays

    def test_the_last_one_gives_back_what_was_there_before_all_of_them(self, new: Release) -> None:
        """This one came second, and found the label as the other had set it; that one has left since."""
        situation = in_cluster(uninstallable(new, TOGETHER), has_label=True, has_class=True)
        first = receipt_of(
            1, "install", Written(LABEL_KEY, LabelState("theirs"), LabelState("true")), handler="kvm"
        )
        second = receipt_of(2, "install", LABELLED)
        left = receipt_of(3, "uninstall", handler="kvm")
        situation.reader.facts = with_receipts(situation.facts, first, second, left)
        assert after_of(situation.uninstall(), LABEL_KEY) == LabelState("theirs")

    def test_a_handler_of_which_no_receipt_tells_may_have_the_label_too(self, new: Release) -> None:
        situation = both(new, LABELLED)
        ours = tuple(each for each in situation.facts.receipts if each["handler"] == "runsc")
        situation.reader.facts = changed(situation.facts, receipts=ours)
        planned = situation.uninstall()
        assert f"- {LABEL_KEY}" not in steps_of(planned, TOGETHER)
        assert any("kvm is on this node, and no receipt shows whether" in note for note in planned.plan.notes)

    def test_another_value_of_a_label_that_another_handler_has_is_refused(self, new: Release) -> None:
        wanted = settings(label=Label(LABEL, "yes"))
        situation = neighbour(in_cluster(fresh(new, wanted), has_label=True, has_class=False), LABELLED, number=1)
        with pytest.raises(
            Problems, match="is 'true' here for the handler kvm, and is to be 'yes' for runsc"
        ) as caught:
            situation.install()
        assert caught.value.problems[0].hint.startswith("set [label] key")

    def test_a_label_of_earlier_settings_that_another_handler_has_stays(self, new: Release) -> None:
        wanted = settings(label=Label("example.com/new", "true"))
        situation = in_cluster(uninstallable(new, wanted, LABELLED), has_label=True, has_class=True)
        assert f"- {LABEL_KEY}" in steps_of(situation.install(), TOGETHER)
        assert f"- {LABEL_KEY}" not in steps_of(neighbour(situation, LABELLED).install(), TOGETHER)


class TestWhatIsNeeded:
    def shared(self, new: Release, handler: str) -> Situation:
        """A sandbox of a handler runs, by a release that both handlers have."""
        shim = f"/opt/nodeprov/handlers/{handler}/current/containerd-shim-runsc-v1"
        runsc = f"/opt/nodeprov/releases/{new.name}/runsc"
        return in_use(neighbour(uninstallable(new), release=new.name), processes={runsc: 4}, bundles=(runsc, shim))

    def test_sandboxes_of_another_handler_do_not_stand_against_an_uninstall(self, new: Release) -> None:
        steps = steps_of(self.shared(new, "kvm").uninstall(), new=new)
        assert steps == [step for step in REMOVED_FROM_NODE if step != "- folder:releases/Rnew"]

    def test_its_own_do(self, new: Release) -> None:
        with pytest.raises(Problems, match=r"containers that name \S+/handlers/runsc/current/containerd-shim"):
            self.shared(new, "runsc").uninstall()

    def test_a_release_that_only_this_handler_has_is_needed_by_what_runs_it(self, new: Release) -> None:
        runsc = f"/opt/nodeprov/releases/{new.name}/runsc"
        situation = in_use(
            neighbour(uninstallable(new)), processes={runsc: 4, "/opt/nodeprov/releases/theirs/runsc": 2}
        )
        with pytest.raises(Problems, match=f"still in use by processes or containers that name {runsc}"):
            situation.uninstall()


def linked(situation: Situation, to: State) -> Situation:
    assert isinstance(to, LinkState)
    links = {**situation.facts.footprint.links, "/usr/local/bin/runsc": to.target}
    situation.reader.facts = changed(situation.facts, links=links)
    situation.reader.states[PEOPLE_KEY] = to
    return situation


class TestLinksForPeople:
    def test_the_link_of_another_handler_stays_when_this_one_comes(self, new: Release) -> None:
        planned = linked(neighbour(fresh(new), number=1), THEIR_LINK).install()
        assert PEOPLE_KEY not in [change.resource.key for change in planned.plan.changes]
        assert any(
            note.startswith("/usr/local/bin/runsc stays as it is: it leads to") for note in planned.plan.notes
        )

    def test_it_stays_when_this_one_goes(self, new: Release) -> None:
        planned = linked(neighbour(uninstallable(new)), THEIR_LINK).uninstall()
        assert PEOPLE_KEY not in [change.resource.key for change in planned.plan.changes]

    def test_it_goes_over_to_one_that_wants_it_too(self, new: Release) -> None:
        situation = uninstallable(new)
        ours = situation.reader.states[PEOPLE_KEY]
        planned = neighbour(situation, Written(PEOPLE_KEY, None, ours)).uninstall()
        assert after_of(planned, PEOPLE_KEY) == THEIR_LINK

    def test_it_goes_where_no_other_wants_it(self, new: Release) -> None:
        assert after_of(neighbour(uninstallable(new)).uninstall(), PEOPLE_KEY) is None


def test_the_last_one_takes_a_configuration_away_that_the_first_one_had_made(new: Release) -> None:
    situation = uninstallable(new)
    ours = situation.daemon.config
    assert ours is not None
    theirs, together = FileState(b"theirs", 0o644), FileState(b"both", 0o644)
    runs = (
        receipt_of(1, "install", Written(CONFIG_KEY, None, theirs), handler="kvm"),
        receipt_of(2, "install", Written(CONFIG_KEY, theirs, together)),
        receipt_of(3, "uninstall", Written(CONFIG_KEY, together, ours), handler="kvm"),
    )
    situation.reader.facts = with_receipts(situation.facts, *runs)
    assert after_of(situation.uninstall(), CONFIG_KEY) is None
    situation.reader.facts = with_receipts(situation.facts, *runs[:2])
    with_both = with_daemon(situation.facts, config=replace(ours, content=ours.content + b"# both\n"))
    situation.reader.facts = with_both
    assert after_of(situation.uninstall(), CONFIG_KEY) == FileState(f"{CONFIG}# both\n".encode(), 0o644)


def test_alone_is_as_before(new: Release) -> None:
    assert steps_of(uninstallable(new, ALONE).uninstall(), new=new) == REMOVED_FROM_NODE
    assert good_facts().footprint.generations == {}
