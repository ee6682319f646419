"""Configurations as containerd prints them, and our table in one."""

from __future__ import annotations

from pathlib import Path

from nodeprov.containerd import Runtime
from tests.support.runtimes import runsc

GOLDEN = Path(__file__).parents[1] / "golden" / "containerd"
DUMPS = ["kubeadm-1.7", "kubeadm-2.1", "kubeadm-2.4"]  # what `containerd config default` prints is a dump too
CURRENT = "/opt/nodeprov/handlers/runsc/current"
RUNSC = runsc("runsc", f"{CURRENT}/containerd-shim-runsc-v1", f"{CURRENT}/runsc.toml")
V2, V3 = '"io.containerd.grpc.v1.cri".containerd.runtimes', '"io.containerd.cri.v1.runtime".containerd.runtimes'


def block(runtime: Runtime = RUNSC, runtimes: str = V3) -> str:
    options = runtime.table()["options"]
    return (
        f"[plugins.{runtimes}.{runtime.handler}]\n"
        f'runtime_type = "io.containerd.runsc.v1"\nruntime_path = "{runtime.runtime_path}"\n\n'
        f"[plugins.{runtimes}.{runtime.handler}.options]\n"
        f'TypeUrl = "{options["TypeUrl"]}"\nConfigPath = "{options["ConfigPath"]}"\n'
    )


def dump(name: str) -> str:
    return (GOLDEN / f"{name}.toml").read_text()
