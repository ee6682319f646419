"""Hosts reached over SSH."""

import sys
import types
from pathlib import Path


def _version(_package: str) -> str:
    """Find paramiko's version by the name of the folder that has it, as pip has made it."""
    for place in sys.path:
        for each in Path(place).glob("paramiko-*.dist-info"):
            return each.name.removeprefix("paramiko-").removesuffix(".dist-info")
    return "unknown"


if "paramiko" not in sys.modules and "invoke" not in sys.modules:
    # By it paramiko runs what ssh_config says behind `Match exec`, which ssh -G does for us. To import it takes as
    # long as all else of paramiko, which does without it.
    sys.modules["invoke"] = None  # type: ignore[assignment]  # what makes an import fail
    # paramiko tells servers its version, and has importlib find it, which takes a sixth of all its imports.
    import importlib

    known = sys.modules.get("importlib.metadata")
    if known is None:
        stub = types.ModuleType("importlib.metadata")
        stub.version = _version  # type: ignore[attr-defined]
        sys.modules["importlib.metadata"] = importlib.metadata = stub
    try:
        import paramiko  # noqa: F401, TID251
    finally:
        del sys.modules["invoke"]
        if known is None:
            del sys.modules["importlib.metadata"], importlib.metadata
