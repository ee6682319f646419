"""What a dispatcher remembers of the nodes that it works for."""

from __future__ import annotations

from nodeprov.dispatch.progress import Progress


class _Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_no_step_is_taken_for_a_node_that_is_busy_or_put_off() -> None:
    clock = _Clock()
    progress = Progress(clock)
    assert progress.may_go_on("n1")
    progress.busy.add("n1")
    assert not progress.may_go_on("n1")
    progress.busy.discard("n1")
    progress.postpone("n1", 2)
    assert not progress.may_go_on("n1")
    clock.seconds = 2
    assert progress.may_go_on("n1")


def test_it_is_counted_how_long_a_node_is_in_one_state() -> None:
    clock = _Clock()
    progress = Progress(clock)
    assert progress.waited("n1", "pod-1") == 0
    clock.seconds = 5
    assert progress.waited("n1", "pod-1") == 5
    assert progress.waited("n1", "pod-2") == 0
    progress.leave("n1")
    assert progress.waited("n1", "pod-2") == 0


def test_what_was_told_of_a_node_once_is_no_news() -> None:
    progress = Progress(_Clock())
    assert progress.is_news("n1", "pod-1")
    assert not progress.is_news("n1", "pod-1")
    assert progress.is_news("n1", "pod-2")


def test_only_who_has_begun_a_node_knows_how_long_it_took() -> None:
    clock = _Clock()
    progress = Progress(clock)
    progress.begin("n1")
    progress.pods_made["n1"] += 1
    clock.seconds = 7
    assert (progress.finish("n1"), progress.finish("n2")) == (7, None)
    assert progress.pods_made["n1"] == 0
