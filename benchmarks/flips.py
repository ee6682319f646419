"""From one release to another one that is on the node already, and in the cache, beside finding nothing to do."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks import measure
from benchmarks.contenders import Contender, nodeprov
from benchmarks.measure import Result
from benchmarks.site import Site
from nodeprov_lab.gvisor_releases import ARCHIVE_RELEASE, LOOSE_RELEASE


def flips(site: Site, rounds: int) -> Sequence[Result]:
    """Measure a node that goes there and back; where a full look is meant, nothing of the node is remembered."""
    there, here = (_installed(site, release) for release in (LOOSE_RELEASE, ARCHIVE_RELEASE))
    for each in (there, here, here):
        measure.once(each)
    deep = replace(here, argv=(*here.argv, "--deep"))
    back = nodeprov(site, "rollback", *site.names, "--yes", name="nodeprov rollback", says="rollback done")
    return measure.in_turn(
        (
            replace(
                deep, name="nodeprov install --deep: nothing to do, a full look", says=_NOTHING, before=(here,)
            ),
            replace(
                here, name="nodeprov install: nothing to do, as remembered", says=_NOTHING, before=(here, here)
            ),
            replace(here, name="nodeprov install: the other release", says="install done", before=(there,)),
            replace(
                _without_pod(here),
                name="nodeprov install: the other release, [proof] pod = false",
                says="install done",
                before=(there,),
            ),
            replace(back, before=(there, here)),
        ),
        rounds,
    )


_NOTHING = "nothing to do"


def _installed(site: Site, release: str) -> Contender:
    given = ("--yes", "--forward", "--set", f"release.version={release}")
    return nodeprov(site, "install", *site.names, *given, name=f"nodeprov install of {release}")


def _without_pod(contender: Contender) -> Contender:
    return replace(contender, argv=(*contender.argv, "--set", "proof.pod=false"))
