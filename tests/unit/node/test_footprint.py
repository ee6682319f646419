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


def test_containers_of_other_releases_are_counted_by_their_shims() -> None:
    releases, shim, made = "/opt/nodeprov/releases", "containerd-shim-runsc-v1", "20260905.0-04991f972de3"
    processes = {
        f"{releases}/{made}/{shim}": 4,
        f"{releases}/20260518.0-bf2b32777424/{shim}": 2,
        f"{releases}/20250101.0-0123456789ab/{shim} (deleted)": 1,
        f"{releases}/20260518.0-bf2b32777424/runsc": 9,
        "/opt/nodeprov/.proof-x/shim": 1,
    }
    footprint = good_facts(processes=processes).footprint
    assert footprint.processes_elsewhere(shim, releases, made) == 3
