"""Where a runtime has to stand in a file: each containerd is asked often, for Go walks maps in no order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nodeprov.containerd import Config, add_runtime, begun, differences, unread
from nodeprov.hosts.local import run_program
from nodeprov_lab.daemons import DEBIAN, VERSIONS
from tests.lab.swapping import programs
from tests.support.containerd_texts import RUNSC
from tests.support.places import DEAD, NO_RUNTIME, READ_AT

TRIES = 30
DAEMONS = {"1.6.20" if version == DEBIAN else version: version for version in VERSIONS}
READ = [(text, daemon) for rows in READ_AT.values() for text, daemons, _ in rows for daemon in daemons]
ROWS = [*READ, *DEAD, *((text, daemon) for text, _ in NO_RUNTIME for daemon in ("1.6.20", "1.7.35"))]


def dumps(daemon: str, text: str, folder: Path) -> Counter[str]:
    """What `containerd config dump` prints of a file, each as often as it was printed."""
    file = folder / "config.toml"
    file.write_text(text)
    binary = programs(DAEMONS[daemon]) / "containerd"
    ended = [run_program([str(binary), "-c", str(file), "config", "dump"]) for _ in range(TRIES)]
    assert {each.returncode for each in ended} == {0}, ended[0].said
    return Counter(each.text for each in ended)


@pytest.mark.rotates(4)
@pytest.mark.parametrize(("text", "daemon"), ROWS)
def test_our_table_is_served_each_time_and_nothing_else_changes(text: str, daemon: str, tmp_path: Path) -> None:
    config = begun(Config(text), daemon)
    assert [each.message for each in unread(config, daemon)] == []
    before = dumps(daemon, text, tmp_path)
    after = dumps(daemon, add_runtime(config.text, RUNSC, daemon_version=daemon), tmp_path)
    assert len(before) == 1
    for each in after:
        assert RUNSC.program_of(Config(each).runtime("runsc")) == RUNSC.program
        assert Config(each).missing_default_runtime is None
        assert differences(Config(next(iter(before))), Config(each), RUNSC) == ()
