"""`nodeprov inventory` as one calls it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.command_line import at_home


def test_the_settings_are_shown_with_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "i.toml").write_text('[release]\nversion = "latest"\n[nodes.worker1]\n')
    shown = at_home(tmp_path, "inventory", "-i", "i.toml", "--set", "ssh.port=2222", NODEPROV_SSH_USER="ci").text
    lines = [line.split() for line in shown.splitlines()]
    assert ["port", "2222", "--set", "ssh.port"] in lines
    assert ["user", '"ci"', "environment", "NODEPROV_SSH_USER"] in lines
    assert ["version", '"latest"', "i.toml:2"] in lines
    value = json.loads(at_home(tmp_path, "inventory", "worker1", "-i", "i.toml", "--json").text)
    assert value["nodes"][0]["node"] == "worker1"


def test_what_is_wrong_with_the_file_the_environment_and_an_option_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "i.toml").write_text('[release]\nversion = "latest"\n[nodes.worker1]\nprot = 1\n')
    output = at_home(
        tmp_path, "plan", "worker1", "-i", "i.toml", "--set", "ssh.prot=1", NODEPROV_RELEASE_VERSOIN="1"
    )
    assert output.returncode == 2
    assert output.stderr.decode() == (
        "i.toml:4: [nodes.worker1] prot is no key that is known here\nhint: did you mean port?\n"
        "environment NODEPROV_RELEASE_VERSOIN: is no key that is known\n"
        "hint: did you mean NODEPROV_RELEASE_VERSION?\n"
        "--set ssh.prot: is no key that is known\nhint: did you mean ssh.port?\n"
    )
