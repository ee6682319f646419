"""A bundle of a release that is in the cache, beside `tar --zstd` of the same bytes."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import measure
from benchmarks.contenders import Contender
from benchmarks.measure import Result

NODEPROV = str(Path(sys.executable).with_name("nodeprov"))


def bundles(inventory: Path, rounds: int) -> Sequence[Result]:
    """Lock what the inventory wants, for this machine's architecture, and pack it in turn with tar.

    Both write to the same folder. nodeprov verifies each file as it packs it, and hashes what it writes.
    """
    with _cache() as (folder, environment):
        given = ("--inventory", str(inventory.absolute()), "--lock", str(folder / "nodeprov.lock"))
        measure.once(Contender("lock", (NODEPROV, "lock", "--arch", "x86_64", *given), environment=environment))
        [tree] = (folder / "cache").rglob("tree")
        files = {name: folder / f"{name}.tar" for name in ("tar", "bundle")}
        removed = {name: (Contender("rm", ("rm", "-f", str(path))),) for name, path in files.items()}
        tar = ("tar", "--zstd", "-cf", str(files["tar"]), "-C", str(tree), ".")
        bundle = (NODEPROV, "bundle", str(files["bundle"]), "--no-wheels", *given)
        return measure.in_turn(
            [
                Contender("tar --zstd", tar, before=removed["tar"]),
                Contender("nodeprov bundle", bundle, environment=environment, before=removed["bundle"]),
            ],
            rounds,
        )


@contextmanager
def _cache() -> Iterator[tuple[Path, dict[str, str]]]:
    with TemporaryDirectory() as place:
        yield Path(place), {"NODEPROV_CACHE": f"{place}/cache"}
