"""The pictures of screens are made by runs on real nodes: UPDATE_GOLDEN=1 makes them, and their films, anew."""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from pathlib import Path

from tests.lab.machines import ADMIN, CHECKOUT, CONFIG, Machine
from tests.lab.running import nodeprov
from tests.support.pictures import FILMS, OF_NODES, Picture, filmed, renew, structure
from tests.support.sampling import by_turns
from tests.support.screen_svg import texts_of
from tests.support.terminal import Screen

pytestmark = by_turns

SETTINGS = {
    "NODEPROV_CLUSTER_KUBECONFIG": ADMIN,
    "NODEPROV_PROOF_STEADY_SECONDS": "6",
    "NODEPROV_INVENTORY": str(CHECKOUT / "nodeprov.toml"),
}
"""What a user has who has set nothing."""
BAD = "/run/bad-containerd.toml"


def _broken(worker: Machine) -> None:
    """Have containerd's CRI plugin fail as soon as the runtime is in its configuration."""
    worker.run(f"sed \"s|default_runtime_name = 'runc'|default_runtime_name = 'nope'|\" {CONFIG} > {BAD}")
    choose = f"grep -q runtimes.runsc {CONFIG} && exec containerd -c {BAD}; exec containerd -c {CONFIG}"
    worker.drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{choose}'")


def _compare(pictures: tuple[Picture, ...], screens: dict[str, Screen], folder: Path) -> list[str]:
    """Compare in words, whatever the lines: a value may be longer or shorter than it was."""
    if os.environ.get("UPDATE_GOLDEN"):
        renewed = [each for each in pictures if renew(each, screens[each.name])]
        if renewed:
            shutil.copy(folder / f"{pictures[0].film}.json", FILMS)
        return []
    real = {each: " ".join(structure(screens[each.name].texts)) for each in pictures}
    shown = {each: " ".join(structure(texts_of(each.path.read_text()))) for each in pictures}
    return [
        f"{each.name}:\n{real[each]}\nis shown as\n{shown[each]}" for each in pictures if real[each] != shown[each]
    ]


def test_pictures_show_what_the_commands_show_on_real_nodes(
    worker: Machine, other: Machine, tmp_path: Path
) -> None:
    worker.run("systemctl restart containerd")  # it has read the file, whatever earlier tests did
    wrong = []
    try:
        for film, some in groupby(OF_NODES, key=lambda each: each.film):
            pictures = tuple(some)
            if film == "failed":
                nodeprov("uninstall", "--all", "--yes", inventory=CHECKOUT / "nodeprov.toml")
                _broken(worker)
            wrong += _compare(pictures, filmed(pictures, SETTINGS, tmp_path), tmp_path)
    finally:
        worker.run("rm -rf /etc/systemd/system/containerd.service.d; systemctl daemon-reload")
        nodeprov("uninstall", "--all", "--yes", inventory=CHECKOUT / "nodeprov.toml")
    assert wrong == [], "script/screens makes them anew\n" + "\n\n".join(wrong)
