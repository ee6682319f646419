"""What nodeprov has left on a node."""

from __future__ import annotations

from tests.support.samples import good_facts


def test_what_a_process_or_a_stopped_container_names_is_in_use_and_so_is_the_folder_above() -> None:
    footprint = good_facts(
        processes={"/o/releases/a/runsc": 2}, bundles=("/o/handlers/runsc/1/runsc.toml",)
    ).footprint
    assert footprint.in_use == ("/o/releases/a/runsc", "/o/handlers/runsc/1/runsc.toml")
    assert footprint.uses("/o/releases/a")
    assert footprint.uses("/o/handlers/runsc/1")
    assert not footprint.uses("/o/releases/a-1")
    assert not footprint.uses("/o/releases/a/runsc")
