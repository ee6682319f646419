"""Builds what is in images, for every architecture that runtimes are published for."""

import os
import shutil
import subprocess  # noqa: TID251  runs when nodeprov is installed, not in it
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PROGRAMS = {"probe": "nodeprov/kubernetes/probe", "copier": "nodeprov/in_cluster/copier"}
"""What is built: the first for the image of the proofs' pods, the second for that of a release."""
USUAL_PLACE = "/usr/local/go/bin/go"


class ProbeHook(BuildHookInterface[Any]):
    """Runs before hatchling packs a wheel, also one that is only a link to a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's names
        """Build the programs."""
        for name, folder in PROGRAMS.items():
            _build(name, Path(self.root) / folder)


def _build(program: str, source: Path) -> None:
    go = shutil.which("go") or USUAL_PLACE
    for architecture, name in ARCHITECTURES.items():
        # What is built must not depend on whose machine this is.
        environment = {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": name, "GOFLAGS": "", "GOWORK": "off"}
        target = source / "bin" / f"{program}-{architecture}"
        argv = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(target), "."]
        try:
            subprocess.run(argv, cwd=source, env={**os.environ, **environment}, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f"the {program} cannot be built: {error}\nhint: install Go (https://go.dev/dl)"
            ) from None
