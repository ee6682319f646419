"""`script/benchmark`: what nodeprov costs beside what people use instead, on the nodes of a lab."""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import (
    bundles,
    checking,
    contenders,
    flips,
    link,
    loop,
    measure,
    outage,
    performance,
    policy,
    rollouts,
    scale,
    site,
    startup,
)

LAB = Path("inventory/lab.toml")
MANY = "2,6,24,48"


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says."""

    what: str
    sizes: Sequence[int]
    rounds: int
    inventory: Path

    @contextmanager
    def site(self, size: int) -> Iterator[site.Site]:
        """Describe the first nodes of the inventory, in a folder that is removed in the end."""
        with tempfile.TemporaryDirectory() as folder:
            yield site.make(Path(folder) / "site", self.inventory, size)

    @property
    def said(self) -> str:
        """How it was run."""
        nodes = ",".join(map(str, self.sizes))
        command = f"script/benchmark {self.what} --nodes {nodes} --rounds {self.rounds}"
        return f"`{command} --inventory {self.inventory.name}`, medians of {self.rounds}"


def main() -> None:
    """Measure what is asked for; write it into docs/performance.md with --write."""
    parser = argparse.ArgumentParser(prog="script/benchmark", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    starting = commands.add_parser("start", help="--version, --help and the like beside `import typer, rich`")
    starting.add_argument("rounds", nargs="?", type=int, default=startup.ROUNDS)
    many = commands.add_parser("scale", help="thousands of nodes that are played, by `nodeprov cluster run`")
    many.add_argument("--nodes", default=scale.SIZES, help=f"how many, one after the other ({scale.SIZES})")
    many.add_argument("--in-flight", type=int, default=scale.IN_FLIGHT, help=f"({scale.IN_FLIGHT})")
    admitted = commands.add_parser("policy", help="what the policies add to the admission of pods")
    admitted.add_argument("--pods", type=int, default=policy.PODS, help=f"({policy.PODS})")
    admitted.add_argument("--rounds", type=int, default=policy.ROUNDS, help=f"({policy.ROUNDS})")
    checked = commands.add_parser("check", help="`nodeprov check` beside PyYAML's C loader")
    checked.add_argument("--manifests", type=int, default=checking.MANIFESTS, help=f"({checking.MANIFESTS})")
    checked.add_argument("--rounds", type=int, default=checking.ROUNDS, help=f"({checking.ROUNDS})")
    for name, (_, sizes, rounds, words) in MEASUREMENTS.items():
        each = commands.add_parser(name, help=words)
        each.add_argument("--nodes", default=sizes, help=f"how many of the inventory's nodes ({sizes})")
        each.add_argument("--rounds", type=int, default=rounds, help=f"({rounds})")
        each.add_argument("--inventory", type=Path, default=LAB, help=f"({LAB})")
        each.add_argument("--write", action="store_true", help="write docs/performance.md, and its picture")
    said = parser.parse_args()
    if said.what == "start":
        startup.main(said.rounds)
        return
    measure.compiled()
    if said.what == "scale":
        print(scale.main([int(count) for count in said.nodes.split(",")], said.in_flight))
        return
    if said.what == "check":
        print(checking.main(said.manifests, said.rounds))
        return
    if said.what == "policy":
        print(policy.main(said.pods, said.rounds))
        return
    given = Given(said.what, [int(count) for count in said.nodes.split(",")], said.rounds, said.inventory)
    before = os.getloadavg()[0]
    body = MEASUREMENTS[said.what][0](given, drawn=said.write)
    load = f"load of the machine before it {before:.1f}"
    print(f"{body}\n\n{load}")
    if said.write:
        performance.write(given.what, f"{given.said}, {load}", body)


def _fleet(given: Given, *, drawn: bool) -> str:
    results = {}
    for size in given.sizes:
        with given.site(size) as made:
            contenders.bring_python(made)
            for _ in ("installed", "found so, and remembered"):
                measure.once(contenders.installed_everywhere(made))
            results[size] = measure.in_turn(contenders.nothing_to_do(made), given.rounds)
        print(performance.fleet_table({size: results[size]}), flush=True)
    picture = f"\n\n{performance.draw(given.what, results)}" if drawn and len(results) > 2 else ""
    return performance.fleet_table(results) + picture


def _install(given: Given, *, drawn: bool) -> str:
    results = {}
    for size in given.sizes:
        with given.site(size) as made:
            measure.once(contenders.installed_everywhere(made))
            loop.prepare_loop(made, contenders.Installed.on(made))
            results[size] = measure.in_turn(loop.from_nothing(made), given.rounds)
            for each in loop.as_before(made):
                measure.once(each)
        print(performance.fleet_table({size: results[size]}), flush=True)
    picture = f"\n\n{performance.draw(given.what, results)}" if drawn and len(results) > 2 else ""
    return performance.fleet_table(results) + picture


def _verify(given: Given, *, drawn: bool) -> str:  # noqa: ARG001  no picture
    few, many = min(given.sizes), max(given.sizes)
    with given.site(many) as made:
        measure.once(contenders.installed_everywhere(made))
        some = [
            contenders.nodeprov(made, "verify", *made.names[:size], name=f"nodeprov verify, nodes: {size}")
            for size in (few, many)
        ]
        first, last = measure.in_turn(some, given.rounds)
    each = (last.mebibytes - first.mebibytes) / max(1, many - few)
    return (
        f"{performance.table([first, last])}\n\nMemory of the controller: {each:.1f} MiB more for each node more."
    )


def _waves(given: Given, *, drawn: bool) -> str:  # noqa: ARG001
    size = max(given.sizes)
    with given.site(size) as made:
        one, many = rollouts.waves(made, given.rounds)
    waves = rollouts.waves_of(size)
    each = (many.mebibytes - one.mebibytes) / max(1, size - 1)
    return (
        f"{performance.table([one, many])}\n\n{waves} waves are {many.seconds / one.seconds / waves:.2f} x "
        f"(waves x one node's time). Memory of the controller: {each:.2f} MiB more for each node more."
    )


def _outage(given: Given, *, drawn: bool) -> str:  # noqa: ARG001
    with given.site(1) as made:
        return performance.table(outage.outages(made, given.rounds))


def _window(given: Given, *, drawn: bool) -> str:  # noqa: ARG001
    with given.site(1) as made:
        return performance.table(rollouts.inside_window(made, given.rounds))


def _link(given: Given, *, drawn: bool) -> str:  # noqa: ARG001
    with given.site(max(given.sizes)) as made, link.far_away(made) as far:
        nothing = link.nothing_to_do(far, given.rounds)
        trips = nothing[-1].seconds / link.ROUND_TRIP_SECONDS
        installs = link.from_nothing(far, link.INSTALLS)
    return (
        f"{performance.table(nothing)}\n\n{trips:.1f} round trips of {link.ROUND_TRIP_SECONDS * 1000:.0f} ms. "
        f"An install of these nodes from nothing, all at once, over the same link: {installs[0].seconds:.0f} s "
        f"({installs[0].rounds} of {installs[0].rounds} ended well)."
    )


def _flip(given: Given, *, drawn: bool) -> str:  # noqa: ARG001
    with given.site(1) as made:
        return performance.table(flips.flips(made, given.rounds))


def _bundle(given: Given, *, drawn: bool) -> str:  # noqa: ARG001
    return performance.table(bundles.bundles(given.inventory, given.rounds))


Measurement = Callable[..., str]
MEASUREMENTS: dict[str, tuple[Measurement, str, int, str]] = {
    "fleet": (_fleet, MANY, 7, "nodes with nothing to do, beside parallel ssh, pyinfra and Ansible"),
    "cluster": (_fleet, "2,6", 9, "the same with the cluster of `nodeprov lab up --workers 6`"),
    "install": (_install, "2,6", 7, "an install from nothing, beside a loop written by hand"),
    "verify": (_verify, "1,24", 7, "verify of many nodes beside that of one"),
    "waves": (_waves, "24", 3, "an install in waves beside that of one node"),
    "outage": (_outage, "1", 7, "how long containerd does not serve, beside a bare restart"),
    "window": (
        _window,
        "1",
        7,
        "what is left of an install after --stage, beside a restart and a sandbox by hand",
    ),
    "flip": (_flip, "1", 7, "an install of another release that is on the node, beside nothing to do"),
    "bundle": (_bundle, "1", 9, "a bundle of a release in the cache, beside tar --zstd; no node is asked"),
    "link": (_link, "6", 7, "nodes behind a link of 200 ms"),
}
"""Each measurement: what makes its part of the page, its sizes, its rounds, and what it is."""


if __name__ == "__main__":
    main()
