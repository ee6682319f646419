"""A folder with an inventory and its lock, as `nodeprov lock` has written it."""

from __future__ import annotations

from pathlib import Path

from tests.support.command_line import INVENTORY, at_home, said
from tests.support.release_server import ReleaseServer


def with_trust(folder: Path, server: ReleaseServer, trust: str = "") -> None:
    """Write an inventory whose releases are a server's."""
    text = INVENTORY.replace("[release]\n", f'[release]\nbase_url = "{server.url}"\n')
    (folder / "nodeprov.toml").write_text(f"{text}[trust]\n{trust}\n")


def locked_folder(folder: Path, server: ReleaseServer, *options: str, trust: str = "") -> Path:
    """Write an inventory and its lock."""
    with_trust(folder, server, trust)
    output = at_home(folder, "lock", *options)
    assert output.returncode == 0, said(output)
    return folder / "nodeprov.lock"
