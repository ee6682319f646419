"""The screens of docs/tour.md are what the commands print on a real node: UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
import re
import subprocess  # noqa: TID251  both streams in one, as a terminal shows them
import sys

from tests.lab.machines import CHECKOUT, CLASS, LABEL, LEAST, WORKER, Machine

TOUR = CHECKOUT / "docs" / "tour.md"
SCREEN = re.compile(r"^```console\n\$ nodeprov (?P<arguments>[^\n]*)\n.*?^```$", re.MULTILINE | re.DOTALL)
OURS = {
    LABEL: "nodeprov.node-restriction.kubernetes.io/gvisor",
    CLASS: "gvisor",
    WORKER: "worker1",
    str(CHECKOUT): "/home/you/nodeprov",
}
"""What this process's tests call things, and what the tour calls them."""
VARYING = {
    r"\b[0-9a-f]{12}\b": "DIGEST",
    r"Linux \d[\d.]*": "Linux KERNEL",
    r"systemd \d+": "systemd VERSION",
    r" +\d+\.\d\b": " SECONDS",
    r"\b\d+ (MB|ms|s)\b": r"N \1",
}
"""What depends on the machine or on the moment."""


def screen(found: re.Match[str]) -> str:
    """Run a screen's command, and write the screen anew."""
    arguments = found["arguments"].replace("worker1", WORKER).split()
    output = subprocess.run(
        [sys.executable, "-m", "nodeprov", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "NODEPROV_CLUSTER_KUBECONFIG": LEAST},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    for ours, theirs in OURS.items():
        output = output.replace(ours, theirs)
    output = re.sub(r"Linux (\d+\.\d+\.\d+)[^ ,]*,", r"Linux \1,", output)  # without whose kernel it is
    shown = "\n".join(line.rstrip() for line in output.splitlines())
    return f"```console\n$ nodeprov {found['arguments']}\n{shown}\n```"


def comparable(text: str) -> str:
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return text


def test_what_the_tour_shows_is_what_the_commands_print(worker: Machine) -> None:
    worker.run("systemctl restart containerd")  # it has read the file, whatever earlier tests did
    text = TOUR.read_text()
    real = SCREEN.sub(screen, text)
    if os.environ.get("UPDATE_GOLDEN"):
        TOUR.write_text(real)
    shown = [found["arguments"].split()[0] for found in SCREEN.finditer(text)]
    assert shown == ["plan", "install", "install", "verify", "uninstall"]
    assert comparable(real) == comparable(TOUR.read_text())
