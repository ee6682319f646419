"""Our table in a configuration, as text."""

from __future__ import annotations

from nodeprov.containerd import Runtime

CURRENT = "/opt/nodeprov/handlers/runsc/current"
RUNSC = Runtime("runsc", f"{CURRENT}/containerd-shim-runsc-v1", f"{CURRENT}/runsc.toml")
V2, V3 = '"io.containerd.grpc.v1.cri".containerd.runtimes', '"io.containerd.cri.v1.runtime".containerd.runtimes'


def block(runtime: Runtime = RUNSC, runtimes: str = V3) -> str:
    options = runtime.table()["options"]
    return (
        f"[plugins.{runtimes}.{runtime.handler}]\n"
        f'runtime_type = "io.containerd.runsc.v1"\nruntime_path = "{runtime.runtime_path}"\n\n'
        f"[plugins.{runtimes}.{runtime.handler}.options]\n"
        f'TypeUrl = "{options["TypeUrl"]}"\nConfigPath = "{options["ConfigPath"]}"\n'
    )
