"""The overview is drawn without typer: it must be what typer would draw."""

from __future__ import annotations

import pytest

from nodeprov.cli.app import app
from nodeprov.cli.main import COMMANDS, PANELS
from nodeprov.cli.overview import show_overview


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("color", ["", "1"])
def test_the_overview_is_what_typer_shows(
    width: int, color: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", color)
    monkeypatch.setenv("TERM", "xterm-256color")
    show_overview()
    ours = capsys.readouterr().out
    app(["--help"], prog_name="nodeprov", standalone_mode=False)
    assert ours == capsys.readouterr().out
    assert ("\x1b[" in ours) == bool(color)


def test_every_command_is_in_one_panel() -> None:
    assert sorted(name for names in PANELS.values() for name in names) == sorted(COMMANDS)
