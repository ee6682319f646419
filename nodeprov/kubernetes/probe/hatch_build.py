"""Builds the probe for every architecture that runtimes are published for, into the wheel or the checkout."""

import os
import shutil
import subprocess  # noqa: TID251  runs when nodeprov is installed, not in it
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
USUAL_PLACE = "/usr/local/go/bin/go"


class ProbeHook(BuildHookInterface[Any]):
    """Runs before hatchling packs a wheel, also one that is only a link to a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's names
        """Build what the image of the proofs' pods is made of."""
        source = Path(self.root) / "nodeprov" / "kubernetes" / "probe"
        go = shutil.which("go") or USUAL_PLACE
        for architecture, name in ARCHITECTURES.items():
            # What is built must not depend on whose machine this is.
            environment = {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": name, "GOFLAGS": "", "GOWORK": "off"}
            target = source / "bin" / f"probe-{architecture}"
            argv = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(target), "."]
            try:
                subprocess.run(argv, cwd=source, env={**os.environ, **environment}, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise SystemExit(
                    f"the probe cannot be built: {error}\nhint: install Go (https://go.dev/dl)"
                ) from None
