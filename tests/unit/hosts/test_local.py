"""Programs of this machine."""

from __future__ import annotations

import time
from pathlib import Path

from nodeprov.hosts.local import LocalHost


def test_a_script_that_takes_too_long_is_ended_with_its_children(host: LocalHost, tmp_path: Path) -> None:
    began = time.monotonic()
    ended = host.sh(f"sleep 30 & echo $! > {tmp_path}/pid; wait", timeout_seconds=0.3)
    assert (ended.returncode, ended.said) == (124, "it did not end within 0 s and was ended")
    assert time.monotonic() - began < 5
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes():
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the child still runs")
