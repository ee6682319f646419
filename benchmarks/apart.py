"""A command that is measured apart from us: our own memory must not count as the command's.

Linux keeps the largest memory of a process also over exec (`maxrss` of its signal_struct, see fs/exec.c), so that
a program which a large process has started has that one's memory for its own. Between us and the command there is
a Python that loads nothing, which has 9 MiB: that is the least that is measured here.
"""

from __future__ import annotations

import json
import os
import subprocess  # noqa: TID251  what is measured is a process
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_BETWEEN = """\
import json, os, sys, time
out = int(sys.argv[1])
os.set_inheritable(out, False)
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
seconds = time.perf_counter() - began
said = [os.waitstatus_to_exitcode(status), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]
os.write(out, json.dumps(said).encode())
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a command took: seconds by the clock, seconds of processors, and its largest memory in MiB.

    Processors and memory are those of the command and of what it waited for, on this machine.
    """

    seconds: float
    processor_seconds: float
    mebibytes: float


def run_apart(
    argv: Sequence[str],
    out: IO[bytes],
    *,
    environment: Mapping[str, str],
    folder: str | Path | None = None,
    with_errors: bool = False,
) -> tuple[int, Run]:
    """Run a command, its output to `out`, and its errors too where that is wanted.

    Returns its exit code, negative for a signal, and what it took.
    """
    reading, writing = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _BETWEEN, str(writing), *argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT if with_errors else None,
            env=environment,
            cwd=folder,
            pass_fds=(writing,),
            check=True,
        )
        code, *took = json.loads(os.read(reading, 4096))
    finally:
        os.close(reading)
        os.close(writing)
    return code, Run(*took)
