"""How a command ends: its exit codes, and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess  # noqa: TID251  a signal is sent to it
import time
from pathlib import Path

import pytest

from tests.support.command_line import INVENTORY, NODEPROV, nodeprov, paths


def test_the_table_of_exit_codes_is_the_readmes() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    rows = [line for line in readme.splitlines() if line.startswith("| ") and line[2].isdigit()]
    shown = nodeprov("--help", COLUMNS="200").text
    for row in rows:
        code, meaning = (each.strip(" `") for each in row.strip("|").split("|"))
        said = next(line for line in shown.splitlines() if line.strip().startswith(f"{code}  "))
        assert meaning.replace("`", "")[:6] in said
    assert len(rows) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_with_1(folder: Path, number: signal.Signals) -> None:
    # A server that accepts and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        text = INVENTORY.replace("port = 9", f"port = {port}").replace("_seconds = 1", "_seconds = 30")
        (folder / "nodeprov.toml").write_text(text)
        process = subprocess.Popen(
            [*NODEPROV, "plan", "worker1", "--json"],
            cwd=folder,
            env={**os.environ, **paths()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connection, _ = server.accept()
        with connection:
            time.sleep(0.3)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"interrupted; nothing was changed" in stderr
    assert b"Traceback" not in stderr
    assert json.loads(stdout)["errors"][0]["message"] == "interrupted; nothing was changed"
