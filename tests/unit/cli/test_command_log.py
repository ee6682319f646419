"""The commands that run on each host, as -v and -vv show them."""

from __future__ import annotations

from typing import Any

import pytest

from nodeprov.cli import output
from nodeprov.cli.command_log import CommandLog
from nodeprov.cli.options.shown import _verbose
from nodeprov.hosts.base import Script, plain
from nodeprov.hosts.local import LocalHost


def shown(capsys: pytest.CaptureFixture[str], *scripts: Script[Any], with_text: bool) -> list[str]:
    now = iter(range(100))
    log = CommandLog(lambda: next(now) * 1.5, with_text=with_text)
    host = LocalHost("worker1")
    host.on_command, host.on_ended = log.on_command, log.on_ended
    for script in scripts:
        host.run(script)
    return capsys.readouterr().err.splitlines()


def test_each_command_is_named_with_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, plain("look", "true"), plain("touch", "exit 3"), with_text=False)
    assert lines == ["worker1: command 1: look, 1.50 s", "worker1: command 2: touch, 1.50 s"]


def test_its_text_is_shown_before_it_runs_without_what_is_secret(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, plain("look", "password=hunter2 true"), with_text=True)
    assert (lines[0], lines[-1]) == ("worker1: command 1: look", "worker1: command 1 ended: look, 1.50 s")
    assert "hunter2" not in "\n".join(lines)


@pytest.mark.parametrize(("times", "names", "texts"), [(0, False, False), (1, True, False), (2, True, True)])
def test_once_shows_names_and_twice_texts(times: int, names: bool, texts: bool) -> None:
    try:
        _verbose(times)
        assert (output.shows_commands.is_set(), output.shows_scripts.is_set()) == (names, texts)
    finally:
        output.shows_commands.clear()
        output.shows_scripts.clear()
