"""`nodeprov inventory` as one calls it, and which inventory is meant."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nodeprov.cli.inventory import find, is_ansible, read
from nodeprov.errors import UsageError
from tests.support.command_line import at_home, nodeprov, said


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
        "i.toml:4: [nodes.worker1] prot is not a known key here\nhint: did you mean port?\n"
        "environment NODEPROV_RELEASE_VERSOIN: is not a known key\n"
        "hint: did you mean NODEPROV_RELEASE_VERSION?\n"
        "--set ssh.prot: is not a known key\nhint: did you mean ssh.port?\n"
    )


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    made(tmp_path / "nodeprov.toml")
    near = made(tmp_path / "a" / "inventory.toml")
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    assert find(None, {}, folder).path == near
    assert find(None, {}, tmp_path).path == tmp_path / "nodeprov.toml"


def test_in_one_folder_nodeprov_toml_comes_first(tmp_path: Path) -> None:
    made(tmp_path / "inventory.toml")
    first = made(tmp_path / "nodeprov.toml")
    assert find(None, {}, tmp_path).path == first


def test_a_named_file_is_taken_before_all_others_and_nothing_is_said_of_it(tmp_path: Path) -> None:
    made(tmp_path / "nodeprov.toml")
    found = find(Path("mine.toml"), {"NODEPROV_INVENTORY": "/other"}, tmp_path)
    assert (found.path, found.by) == (Path("mine.toml"), "")


def test_the_environment_comes_before_the_search(tmp_path: Path) -> None:
    made(tmp_path / "nodeprov.toml")
    found = find(None, {"NODEPROV_INVENTORY": "~/x.toml"}, tmp_path)
    assert (found.path, found.by) == (Path("~/x.toml").expanduser(), "NODEPROV_INVENTORY is set")


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    file = made(tmp_path / "nodeprov.toml")
    assert find(None, {"NODEPROV_INVENTORY": ""}, tmp_path).path == file


def test_a_folder_of_that_name_is_no_inventory(tmp_path: Path) -> None:
    (tmp_path / "a" / "nodeprov.toml").mkdir(parents=True)
    file = made(tmp_path / "nodeprov.toml")
    assert find(None, {}, tmp_path / "a").path == file


def test_what_is_not_found_says_where_it_was_looked_for_and_what_to_type() -> None:
    with pytest.raises(UsageError) as caught:
        find(None, {}, Path("/proc/self"))
    assert str(caught.value) == (
        "no inventory: neither nodeprov.toml nor inventory.toml is in /proc/self or above it\n"
        "hint: name one: --inventory FILE (or NODEPROV_INVENTORY=FILE), or write one: nodeprov init"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_not_found_by_accident(tmp_path: Path) -> None:
    file = made(tmp_path / "nodeprov.toml")
    os.chown(file, 1234, -1)
    with pytest.raises(UsageError, match=r"belongs to another user \(uid 1234\)"):
        find(None, {}, tmp_path)
    assert find(file, {}, tmp_path).path == file


def test_nothing_outside_of_the_checkout_leads_to_the_lab() -> None:
    checkout = Path(__file__).parents[3]
    assert find(None, {}, checkout).path.resolve() == checkout / "inventory" / "lab.toml"
    with pytest.raises(UsageError):
        find(None, {}, checkout.parent)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.toml"):
        read(find(path, {}, tmp_path))


def test_which_inventory_was_found_is_said_unless_it_was_named_or_quiet_is_asked_for(folder: Path) -> None:
    (folder / "below").mkdir()
    path = str(folder / "nodeprov.toml")
    assert f"inventory: {path} (" in said(nodeprov("plan", "worker1", folder=folder / "below"))
    assert "inventory:" not in said(nodeprov("plan", "worker1", "-i", path))
    assert "inventory:" not in said(nodeprov("plan", "worker1", "-q", folder=folder))
    assert f"{path} (NODEPROV_INVENTORY is set)" in said(nodeprov("plan", "worker1", NODEPROV_INVENTORY=path))


@pytest.mark.parametrize(
    ("name", "is_theirs"),
    [
        ("hosts.ini", True),
        ("x.yml", True),
        ("x.yaml", True),
        ("hosts", True),
        ("nodeprov.toml", False),
        ("x", False),
    ],
)
def test_an_inventory_of_ansible_is_known_by_its_name(name: str, is_theirs: bool, tmp_path: Path) -> None:
    assert is_ansible(tmp_path / name) is is_theirs
    assert not is_ansible(tmp_path)
    (tmp_path / name).touch()
    assert is_ansible(tmp_path) is is_theirs
