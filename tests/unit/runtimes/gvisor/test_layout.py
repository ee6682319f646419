"""Where gVisor lies on a node."""

from __future__ import annotations

from nodeprov.inventory import Paths, RuntimeSettings
from nodeprov.runtimes.gvisor.layout import former_layouts, former_runtimes, layout
from tests.support.samples import good_facts, settings


def test_all_of_it_lies_below_the_prefix_and_a_handler_has_a_folder_of_its_own() -> None:
    where = layout(settings(runtime=RuntimeSettings(handler="runsc-kvm"), paths=Paths(prefix="/data/gv")))
    assert (where.around, where.releases) == ("/data", "/data/gv/releases")
    assert (where.handler_folder, where.current) == (
        "/data/gv/handlers/runsc-kvm",
        "/data/gv/handlers/runsc-kvm/current",
    )
    assert where.runtime.handler == "runsc-kvm"
    assert where.runtime.runtime_path == f"{where.current}/containerd-shim-runsc-v1"
    assert where.runtime.config_path == f"{where.current}/runsc.toml"


def test_earlier_prefixes_are_all_but_the_one_of_now() -> None:
    footprint = good_facts(prefixes=("/new", "/old", "/older")).footprint
    wanted = settings(paths=Paths(prefix="/new"))
    assert [each.prefix for each in former_layouts(footprint, wanted)] == ["/old", "/older"]
    assert [each.config_path for each in former_runtimes(footprint, wanted)] == [
        "/old/handlers/runsc/current/runsc.toml",
        "/older/handlers/runsc/current/runsc.toml",
    ]
