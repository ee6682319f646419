"""`script/benchmark`: start-up, a fleet with nothing to do, an install from nothing, verify."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import contenders, measure, performance, site, startup
from benchmarks.measure import Result

LAB = Path("inventory/lab.toml")


def main() -> None:
    """Measure what is asked for; write it into docs/performance.md with --write."""
    parser = argparse.ArgumentParser(prog="script/benchmark", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    starting = commands.add_parser("start", help="--version, --help and the like beside `import typer, rich`")
    starting.add_argument("rounds", nargs="?", type=int, default=startup.ROUNDS)
    fleet = commands.add_parser("fleet", help="nodes with nothing to do, beside parallel ssh, pyinfra and Ansible")
    install = commands.add_parser("install", help="an install from nothing, beside a loop written by hand")
    for each, sizes in ((fleet, "2,6,24,48"), (install, "2,6")):
        each.add_argument("--nodes", default=sizes, help=f"sizes of the fleet ({sizes})")
        each.add_argument("--rounds", type=int, default=measure.LEAST_ROUNDS)
        each.add_argument("--inventory", type=Path, default=LAB)
        each.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    given = parser.parse_args()
    if given.what == "start":
        startup.main(given.rounds)
        return
    counts = [int(count) for count in given.nodes.split(",")]
    run = _fleet if given.what == "fleet" else _install
    results = {size: run(given.inventory, size, given.rounds) for size in counts}
    performance.show(results)
    if given.write:
        performance.write(given.what, results, f"script/benchmark {given.what} --nodes {given.nodes}")


def _fleet(inventory: Path, size: int, rounds: int) -> Sequence[Result]:
    with tempfile.TemporaryDirectory() as folder:
        made = site.make(Path(folder) / "site", inventory, size)
        measure.once(contenders.nodeprov(made, "install", *made.names, "--yes", name="nodeprov install"))
        contenders.bring_python(made)
        return measure.in_turn(contenders.nothing_to_do(made), rounds)


def _install(inventory: Path, size: int, rounds: int) -> Sequence[Result]:
    with tempfile.TemporaryDirectory() as folder:
        made = site.make(Path(folder) / "site", inventory, size)
        measure.once(contenders.nodeprov(made, "install", *made.names, "--yes", name="nodeprov install"))
        contenders.prepare_loop(made, contenders.Installed.on(made))
        undo = contenders.as_before(made)

        def take_back() -> None:
            for each in undo:
                measure.once(each)

        found = measure.in_turn(contenders.from_nothing(made), rounds, take_back)
        take_back()
        return found


if __name__ == "__main__":
    main()
