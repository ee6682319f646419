from __future__ import annotations

from itertools import pairwise

import pytest

from nodeprov.runtimes.gvisor.compatibility import TABLE, release_date
from nodeprov.runtimes.gvisor.compatibility import row as known_row
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.runtimes.requirements import check_facts
from nodeprov.states import FileState
from nodeprov_lab.daemons import VERSIONS
from tests.support.matrix import DOCUMENT, ROWS, document, lines_of
from tests.support.runtimes import layout_of
from tests.support.samples import settings, with_daemon

OLD = settings("20260511.0")


@pytest.mark.parametrize(
    ("daemon", "release", "works"),
    [
        ((1, 5, 18), "20240101.0", False),
        ((1, 6, 20), "20260511.0", True),
        ((1, 6, 20), "20260518.0", False),
        ((1, 6, 20), "20260518", False),
        ((1, 6, 20), "latest", False),
        ((1, 7, 0), "latest", True),
        ((1, 7, 35), "20240101.0", True),
        ((2, 4, 2), "20260905.0", True),
        ((3, 0, 0), "latest", True),
    ],
)
def test_a_pair_works_or_has_a_reason_and_a_way_out(daemon: tuple[int, ...], release: str, works: bool) -> None:
    known = known_row(daemon, release)
    assert known is not None
    assert (not known.reason) == works
    assert bool(known.way_out) == bool(known.reason)


def test_every_row_says_what_showed_it() -> None:
    assert all(each.source for each in TABLE)


@pytest.mark.parametrize("release", ["20200101.0", "20260511.0", "20260515.0", "latest"])
def test_nothing_lies_between_two_rows_or_in_both(release: str) -> None:
    spans = [each.daemons for each in TABLE if release_date(release) in each.releases]
    assert spans[0].since is None
    assert spans[-1].before is None
    assert all(lower.before == upper.since for lower, upper in pairwise(spans))


def test_an_old_containerd_has_no_problem_with_an_old_release() -> None:
    text = b"version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n"
    old = with_daemon(config=FileState(text, 0o644), version=(1, 6, 20), disk_version=(1, 6, 20))
    assert check_facts(old, OLD, layout_of(OLD), GVISOR) == ()


def test_the_document_has_the_table_and_every_row_of_the_matrix() -> None:
    text = DOCUMENT.read_text()
    lines = lines_of(text)
    assert [*lines] == [row.key for row in ROWS]
    assert text == document(text, [*lines.values()]), (
        "UPDATE_GOLDEN=1 pytest tests/lab/test_matrix.py writes it anew"
    )


def test_every_containerd_that_can_be_made_is_in_the_matrix() -> None:
    assert tuple(dict.fromkeys(row.daemon for row in ROWS)) == VERSIONS
