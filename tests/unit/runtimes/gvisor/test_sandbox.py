"""What gVisor's kernel says."""

from __future__ import annotations

import pytest

from nodeprov.runtimes.gvisor.sandbox import kernel_line


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("[   0.000000] Starting gVisor...\n[   0.1] Checking naughty list...", "Starting gVisor..."),
        ("version: Linux version 4.19.0-gvisor #1 SMP x\nkernel log: operation not permitted", "version: Linux"),
        ("Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016", "Linux version 4.4.0"),
        ("Linux version 6.8.0-45-generic (buildd@lcy02) #45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 2024", ""),
        ("Linux version 4.4.0-210-generic (buildd@gvisor) #242-Ubuntu SMP", ""),
        ("", ""),
    ],
)
def test_gvisors_kernel_is_known_by_what_it_says_in_every_release(said: str, word: str) -> None:
    found = kernel_line(said)
    assert found.startswith(word)
    assert bool(found) == bool(word)
