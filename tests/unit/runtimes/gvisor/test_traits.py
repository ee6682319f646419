from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.runtimes.gvisor.traits import traits_of
from tests.support.real_releases import BUILT
from tests.support.release_server import runsc

REAL = {each.parent.name[7:17]: each for each in BUILT}


@pytest.mark.skipif(len(REAL) < 2, reason="no lab here")
def test_real_releases_say_their_flags_and_their_specification() -> None:
    for version, program in REAL.items():
        found = traits_of(program, version)
        assert found.flags is not None
        assert {"platform", "network", "debug-log"} <= found.flags
        assert found.spec.startswith("1.")


def test_a_program_that_does_not_answer_here_has_unknown_flags(tmp_path: Path) -> None:
    (tmp_path / "runsc").write_bytes(runsc("20260905.0"))
    found = traits_of(tmp_path / "runsc", "20260905.0")
    assert (found.spec, found.flags) == ("", None)


def test_what_a_release_does_not_work_with_is_known_without_asking(tmp_path: Path) -> None:
    (tmp_path / "runsc").write_bytes(b"")
    new, old = (traits_of(tmp_path / "runsc", version).limits for version in ("20260905.0", "20260105.0"))
    assert any(each.startswith("not with containerd from 1.6 before 1.7: the shim answers") for each in new)
    assert [each for each in old if "answers" in each] == []
    assert any(each.startswith("not with containerd before 1.6: ") for each in old)
