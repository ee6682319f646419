"""A run of nodeprov that is watched operation by operation, from outside its process."""

from __future__ import annotations

import os
import queue
import subprocess  # noqa: TID251  a process that is killed in its middle
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.faults.operations import AFTER, BEFORE, DURING, FDS, GO, STOP, Operation
from tests.lab.running import Ended

ENDS_WITHIN_SECONDS = 400


@dataclass(frozen=True)
class Point:
    """A moment of a run: an operation of it, and whether before, during or after that."""

    when: str
    operation: Operation
    seconds: float = 0
    """How long the operation took when it was recorded."""

    def __str__(self) -> str:
        return f"{self.when} {self.operation.number} ({self.operation.what})"


class Watching:
    """A nodeprov process; its operations are seen as they begin and end."""

    def __init__(
        self,
        arguments: Sequence[str],
        inventory: Path,
        stop: Point | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        told, tell = os.pipe()
        asked, self._answers = os.pipe()
        held = stop is not None and stop.when != DURING
        environment = {
            **os.environ,
            **(settings or {}),
            FDS: f"{tell},{asked}",
            STOP: f"{stop.when} {stop.operation.name}" if stop is not None and held else "",
        }
        self._outputs = [tempfile.TemporaryFile("w+") for _ in range(2)]  # noqa: SIM115  closed at its end
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.faults.controller", *arguments, "--inventory", str(inventory)],
            env=environment,
            pass_fds=(tell, asked),
            stdin=subprocess.DEVNULL,
            stdout=self._outputs[0],
            stderr=self._outputs[1],
        )
        os.close(tell)
        os.close(asked)
        self.seen: list[tuple[float, str, Operation]] = []
        self._lines: queue.Queue[tuple[str, Operation] | None] = queue.Queue()
        threading.Thread(target=self._read, args=(told,), daemon=True).start()

    def _read(self, told: int) -> None:
        with os.fdopen(told) as lines:
            for line in lines:
                when, number, nth, host, what = line.rstrip("\n").split(" ", 4)
                operation = Operation(int(number), int(nth), host, what)
                self.seen.append((time.monotonic(), when, operation))
                self._lines.put((when, operation))
        self._lines.put(None)

    def reaches(self, point: Point) -> bool:
        """Wait for a point; say whether the run came so far."""
        when = BEFORE if point.when == DURING else point.when
        while (found := self._lines.get(timeout=ENDS_WITHIN_SECONDS)) is not None:
            if found[0] == when and found[1].name == point.operation.name:
                return True
        return False

    def go_on(self, answer: bytes = GO) -> None:
        """Let it go on where it was stopped."""
        os.write(self._answers, answer)

    def kill(self) -> None:
        """Kill it as nothing can be caught."""
        self.process.kill()
        self.process.wait()

    def end(self) -> Ended:
        """Wait for its end."""
        try:
            self.process.wait(ENDS_WITHIN_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
        os.close(self._answers)
        said = []
        for output in self._outputs:
            output.seek(0)
            said.append(output.read())
            output.close()
        return Ended(self.process.returncode, *said)

    def points(self) -> list[Point]:
        """Name all the moments of the run, which has ended."""
        began = {operation.number: at for at, when, operation in self.seen if when == BEFORE}
        took = {op.number: at - began[op.number] for at, when, op in self.seen if when == AFTER}
        operations = [operation for _, when, operation in self.seen if when == BEFORE]
        return [
            Point(when, operation, took[operation.number])
            for operation in operations
            for when in (BEFORE, DURING, AFTER)
        ]
