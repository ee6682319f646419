"""Pictures of screens in docs/screens/: what was typed, what of the screen they show, how they are compared.

In tests/golden/screens/ is a film (tests/support/film.py) of the run that made each: of it the screen is made anew
without a node. A picture of which the structure is the same stays as it is, byte for byte.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.documents import CHECKOUT, DOCS
from tests.support.film import KERNEL
from tests.support.screen_svg import texts_of, to_svg
from tests.support.terminal import Run, Screen, run_in_terminal

FOLDER = DOCS / "screens"
FILMS = CHECKOUT / "tests" / "golden" / "screens"
COLUMNS, TALL = 100, 400
LEFT_OUT = (Run("…"),)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a run's screen: from the first line that fits `first` on; at its end, or at a `moment` of it.

    `film` names the run, where several pictures are of one.
    """

    name: str
    arguments: str
    film: str
    first: str = ""
    last: str = ""
    moment: str = ""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FOLDER / f"{self.name}.svg"


OF_NODES = (
    Picture("plan", "plan worker1", "plan", first=r"^worker1: install"),
    Picture("install-begun", "install 'worker*' --yes", "install", first="^▶", moment="restarting containerd"),
    Picture("install", "install 'worker*' --yes", "install", first=r"^worker1: install done"),
    Picture("verify", "verify worker1", "verify", first="^node "),
    Picture("status", "status", "status", first="^worker1: "),
    Picture("probe", "probe worker1", "probe", first="raw-sockets: ", last="fuse-and-tun"),
    Picture("failed", "install worker1 --yes", "failed", first="the new configuration was not kept"),
)
OF_A_CLUSTER = Picture("cluster-status", "cluster status", "cluster-status", first="^done ")
PICTURES = (*OF_NODES, OF_A_CLUSTER)


def filmed(pictures: tuple[Picture, ...], environment: Mapping[str, str], folder: Path) -> dict[str, Screen]:
    """Run what pictures of one film show, record it in the folder, and return the screen of each."""
    film = str(folder / f"{pictures[0].film}.json")
    return _seen(pictures, ["record", film, *_words(pictures[-1])], environment)


def shown_again(picture: Picture) -> Screen:
    """Make the screen of a picture anew from its film."""
    argv = ["show", str(FILMS / f"{picture.film}.json"), *([picture.moment] if picture.moment else [])]
    return _seen((replace(picture, moment=""),), argv, {})[picture.name]


def _words(picture: Picture) -> list[str]:
    return picture.arguments.replace("'", "").split()


def _seen(pictures: tuple[Picture, ...], argv: list[str], environment: Mapping[str, str]) -> dict[str, Screen]:
    moments = {each.name: _reached(each.moment) for each in pictures if each.moment}
    shown = run_in_terminal(
        [sys.executable, "-m", "tests.support.film", *argv],
        COLUMNS,
        TALL,
        moments=moments,
        environment={"PYTHONPATH": str(CHECKOUT), **environment},
    )
    return {each.name: cut(each, _usual(shown.screens[each.name if each.moment else "end"])) for each in pictures}


def _usual(screen: Screen) -> Screen:
    """Show Debian's kernel in place of the one of whoever makes the pictures."""

    def line(runs: tuple[Run, ...]) -> tuple[Run, ...]:
        return tuple(replace(run, text=run.text.replace(platform.release(), KERNEL)) for run in runs)

    return replace(screen, lines=tuple(map(line, screen.lines)))


def _reached(moment: str) -> Callable[[Screen], bool]:
    return lambda screen: any(moment in text for text in screen.texts)


def cut(picture: Picture, screen: Screen) -> Screen:
    """Show of a screen what the picture shows, below what was typed."""
    texts = screen.texts
    found = [number for number, text in enumerate(texts) if re.search(picture.first, text)]
    assert found, "\n".join(texts)
    ends = [number for number, text in enumerate(texts) if picture.last and re.search(picture.last, text)]
    end = ends[0] if ends else len(texts)
    typed = (Run("$ ", "brightblack"), Run(f"nodeprov {picture.arguments}", is_bold=True))
    above = (
        (LEFT_OUT,)
        if any(not text.startswith(("inventory: ", "      ")) for text in texts[: found[0]] if text)
        else ()
    )
    lines = (typed, *above, *screen.lines[found[0] : end], *((LEFT_OUT,) if ends else ()))
    return replace(screen, lines=lines)


def structure(texts: list[str]) -> list[str]:
    """Take away what differs from run to run: numbers, digests, names of runs, ages, the host's kernel, widths."""
    said = "\n".join(re.sub(r" +", " ", text.strip()) for text in texts)
    said = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", said)
    said = re.sub(r"\b\d{8}-[0-9a-f]{6}\b", "RUN", said)
    said = re.sub(r"Linux \d[\w.-]*,", "Linux 0,", said)
    said = re.sub(r"(\d+ (second|minute|hour|day)s? ago|just now)", "AGO", said)
    return re.sub(r"\d+(\.\d+)?", "0", said).split("\n")


def renew(picture: Picture, screen: Screen) -> bool:
    """Draw a picture anew if its structure is another one than the screen's; tell whether that was so."""
    if picture.path.exists() and structure(texts_of(picture.path.read_text())) == structure(screen.texts):
        return False
    picture.path.parent.mkdir(exist_ok=True)
    picture.path.write_text(to_svg(screen, f"nodeprov {picture.arguments}"))
    return True
