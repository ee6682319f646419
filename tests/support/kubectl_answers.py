"""What kubectl answers, as tests need it."""

from __future__ import annotations

from typing import Any


def item(
    name: str = "worker-1",
    addresses: tuple[tuple[str, str], ...] = (("Hostname", "worker-1"), ("InternalIP", "10.0.0.11")),
    system: Any = "linux",
    architecture: Any = "amd64",
    **labels: str,
) -> dict[str, Any]:
    """One of `kubectl get nodes -o json`; in the name of a label _ stands for - and __ for /."""
    return {
        "metadata": {"name": name, "labels": {label.replace("__", "/").replace("_", "-"): "" for label in labels}},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "nodeInfo": {"operatingSystem": system, "architecture": architecture},
        },
    }
