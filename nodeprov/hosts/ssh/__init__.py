"""Hosts reached over SSH."""

import sys

if "paramiko" not in sys.modules and "invoke" not in sys.modules:
    # By it paramiko runs what ssh_config says behind `Match exec`, which ssh -G does for us. To import it takes as
    # long as all else of paramiko, which does without it.
    sys.modules["invoke"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        import paramiko  # noqa: F401, TID251
    finally:
        del sys.modules["invoke"]
