"""Files as they are found on nodes, each with what is peculiar about it, and what comes of it.

They are written anew; UPDATE_GOLDEN=1 writes NAME.added.toml or NAME.refused.txt, to be reviewed.
"""

from __future__ import annotations

import os
import tomllib

import pytest

from nodeprov.containerd import (
    Config,
    Refused,
    add_runtime,
    begun,
    decode,
    lacks_runc,
    remove_runtime,
    runtimes_place,
    unread,
)
from nodeprov.containerd.config import BYTE_ORDER_MARK
from nodeprov.containerd.versions import runc_table
from nodeprov.toml import statements
from tests.support.runtimes import runsc
from tests.support.samples import GOLDEN, golden

FOLDER = GOLDEN / "containerd"
CURRENT = "/opt/nodeprov/handlers/runsc/current"
RUNSC = runsc("runsc", f"{CURRENT}/containerd-shim-runsc-v1", f"{CURRENT}/runsc.toml")

# name: (the containerd that reads it, what is peculiar about it)
FILES = {
    "kubeadm-1.6": (
        "1.6.20",
        "`config default` with SystemdCgroup: all indented, every table there, also empty ones",
    ),
    "kubeadm-1.7": ("1.7.29", "the same, with sandbox_mode and nri"),
    "kubeadm-2.0": ("2.0.11", "version 3, single quotes, the CRI plugin in three sections"),
    "kubeadm-2.1": ("2.1.5", "the same, with cgroup_writable and bin_dirs"),
    "kubeadm-2.2": ("2.2.7", "the same, and conf.d is imported by default"),
    "kubeadm-2.3": ("2.3.4", "version 4: the server's settings are plugins"),
    "kubeadm-2.4": ("2.4.2", "the same, with more of them"),
    "kind": ("1.7.29", "comments in tables; the table above others comes after them"),
    "minikube": ("1.7.29", "default_runtime and untrusted_workload_runtime, no default_runtime_name"),
    "kubespray": ("1.7.29", "options in lower case, a password, blank lines at the end"),
    "kubespray-gvisor": ("1.7.29", "a runsc table of theirs"),
    "nvidia": ("1.7.29", "another default runtime, comments that name settings, imports"),
    "nvidia-2.x": ("2.1.5", "keys in the order of the alphabet, `version` among them"),
    "kata-deploy": ("1.7.29", "a line put before `version`, tables without blank lines, no last line break"),
    "aks": ("1.7.29", "[metrics] right behind the CRI plugin, tabs and blanks mixed, a key with dashes"),
    "eks-al2": ("1.7.29", "no indentation, sub-tables before and after the table above them"),
    "eks-al2023": ("2.1.5", "keys sorted, `version` behind others, empty tables as headers"),
    "k3s": ("1.7.29", "begins with a blank line, runs of blank lines, quoted names of runtimes"),
    "k3s-2.x": ("2.1.5", "both quotes in one file, imports of its own"),
    "k3s-template": ("2.1.5", "a template: no TOML"),
    "rke2-selinux": ("2.1.5", "RKE2 with selinux: true"),
    "k0s": ("1.7.29", "a magic first comment; the CRI plugin is in the import alone"),
    "microk8s": ("1.7.29", "variables in values, a comment between header and key"),
    "docker": ("1.7.29", "Docker's package: CRI disabled, everything else a comment, no version"),
    "version-1": ("1.7.29", "ids without dots, no version"),
    "empty": ("2.4.2", "no byte"),
    "comment-only": ("1.7.29", "nothing said"),
    "byte-order-mark": ("1.7.29", "written on Windows"),
    "two-generations": ("2.1.5", "a dead runsc table of version 2, of somebody else"),
    "minimal": ("2.1.5", "a version and nothing else"),
    "crlf": ("2.1.5", "CRLF"),
    "tabs": ("1.7.29", "tabs"),
    "no-final-newline": ("2.1.5", "no last line break"),
    "single-quoted": ("2.1.5", "single quotes"),
    "dotted-keys": ("2.1.5", "dotted keys"),
    "inline-runtimes": ("2.1.5", "runtimes in an inline table"),
    "multiline": ("2.1.5", "our header and our comment in a string; an array of tables"),
    "out-of-order": ("2.1.5", "options before their table, [plugins] at the end"),
}


def read(name: str) -> str:
    return decode((FOLDER / f"{name}.toml").read_bytes())


def edited(name: str) -> str:
    daemon = FILES[name][0]
    text = begun(Config(read(name)), daemon).text
    added = add_runtime(text, RUNSC, daemon_version=daemon)
    for refused in unread(Config(text), daemon):
        raise refused
    return added


def outcome(name: str) -> str | None:
    """What is added, or None where the file is refused."""
    try:
        return edited(name)
    except Refused:
        return None


EDITED = [name for name in FILES if outcome(name) is not None]
REFUSED = [name for name in FILES if name not in EDITED]


def test_every_file_is_in_the_table() -> None:
    there = {path.name.removesuffix(".toml") for path in FOLDER.glob("*.toml")}
    assert {name for name in there if not name.endswith(".added")} == set(FILES)


@pytest.mark.parametrize("name", EDITED)
def test_the_runtime_is_added_and_every_other_byte_stays(name: str) -> None:
    file = FOLDER / f"{name}.added.toml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_bytes(edited(name).encode())
    assert edited(name) == file.read_bytes().decode()


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_edited_is_refused_with_the_reason_and_a_way_out(name: str) -> None:
    with pytest.raises(Refused) as refused:
        edited(name)
    golden(f"containerd/{name}.refused.txt", f"{refused.value}\n")


@pytest.mark.parametrize("name", EDITED)
def test_adding_again_changes_nothing(name: str) -> None:
    assert add_runtime(edited(name), RUNSC, daemon_version=FILES[name][0]) == edited(name)


@pytest.mark.parametrize("name", EDITED)
def test_removing_what_was_added_gives_the_same_bytes_back(name: str) -> None:
    assert remove_runtime(edited(name), RUNSC) == read(name)


@pytest.mark.parametrize("name", EDITED)
def test_what_toml_says_differs_by_our_table_only(name: str) -> None:
    added = tomllib.loads(edited(name).removeprefix(BYTE_ORDER_MARK))
    before = tomllib.loads(begun(Config(read(name)), FILES[name][0]).text.removeprefix(BYTE_ORDER_MARK))
    inner = before
    for part in runtimes_place(Config(edited(name)), FILES[name][0]):
        inner = inner.setdefault(part, {})
    if lacks_runc(Config(read(name)), FILES[name][0]):
        inner.setdefault("runc", runc_table(FILES[name][0]))
    inner["runsc"] = RUNSC.table()
    assert added == before
    assert Config(edited(name)).declared("runsc") == RUNSC.table()


@pytest.mark.parametrize("name", EDITED)
def test_removing_what_is_not_there_changes_nothing(name: str) -> None:
    assert remove_runtime(read(name), RUNSC) == read(name)


@pytest.mark.parametrize("name", EDITED)
def test_the_statements_of_a_file_are_the_whole_file(name: str) -> None:
    text = read(name).removeprefix(BYTE_ORDER_MARK)
    assert "".join(text[each.start : each.end] for each in statements(text)) == text
