"""Where nodeprov's things lie on a node."""

from __future__ import annotations

from nodeprov.inventory import Paths, RuntimeSettings
from nodeprov.runtimes.family import former_runtimes
from nodeprov.runtimes.gvisor.family import GVISOR
from tests.support.runtimes import config_path, layout_of, runtime_of
from tests.support.samples import settings


def test_all_of_it_lies_below_the_prefix_and_a_handler_has_a_folder_of_its_own() -> None:
    wanted = settings(runtime=RuntimeSettings(handler="runsc-kvm"), paths=Paths(prefix="/data/gv"))
    where, runtime = layout_of(wanted), runtime_of(wanted)
    assert (where.parent, where.releases) == ("/data", "/data/gv/releases")
    assert (where.handler_folder, where.current) == (
        "/data/gv/handlers/runsc-kvm",
        "/data/gv/handlers/runsc-kvm/current",
    )
    assert runtime.handler == "runsc-kvm"
    assert runtime.runtime_path == runtime.program == f"{where.current}/containerd-shim-runsc-v1"
    assert config_path(runtime) == f"{where.current}/runsc.toml"


def test_earlier_prefixes_are_all_but_the_one_of_now() -> None:
    where = layout_of(settings(paths=Paths(prefix="/new")), ["/old", "/older"])
    assert [each.prefix for each in where.earlier] == ["/old", "/older"]
    former = [each for each in former_runtimes(GVISOR, where) if not each.pod_annotations]
    assert [config_path(each) for each in former] == [
        "/old/handlers/runsc/current/runsc.toml",
        "/older/handlers/runsc/current/runsc.toml",
    ]


def test_links_are_those_of_every_prefix_and_the_one_for_people_if_there_is_to_be_one() -> None:
    where = layout_of(settings(), ["/old"])
    currents = ("/opt/nodeprov/handlers/runsc/current", "/old/handlers/runsc/current")
    assert where.links == (*currents, "/usr/local/bin/runsc")
    assert layout_of(settings(paths=Paths(bin="")), ["/old"]).links == currents
