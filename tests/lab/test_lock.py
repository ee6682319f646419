"""A lock with apt's evidence, signed; a node gets what is locked, and nothing else, without the origin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.machines import CURRENT, NEW, OLD, WORKER, Machine
from tests.lab.releases import inventory_with_trust, signed
from tests.lab.running import installed, nodeprov, refused, variant


def test_what_is_signed_and_locked_is_installed_without_the_origin(
    worker: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory, lock = inventory_with_trust(tmp_path, "latest"), tmp_path / "nodeprov.lock"
    listing = worker.listing()
    written = nodeprov("lock", "--require", "apt", "--json", inventory=inventory)
    assert written.returncode == 0, written.stderr
    value = json.loads(written.stdout)
    assert value["lock"]["release"] == NEW
    assert all("apt" in each["kinds"] for each in value["evidence"])
    refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "it is not signed", exit_code=2)
    signed(lock, inventory)
    text = lock.read_text()
    lock.write_text(text.replace('layout = "archive"', 'layout = "Archive"'))
    refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "nodeprov.lock.sig: ", exit_code=2)
    assert worker.listing() == listing
    lock.write_text(text)

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody is there: what is in the cache is used
    monkeypatch.setenv("no_proxy", "")
    ended = installed(WORKER, inventory=inventory)
    assert f"{lock}: {NEW}, signed by ann@example.com" in ended.stderr
    runsc = value["lock"]["architecture"]["x86_64"]["member"]["runsc"]["sha512"]
    assert worker.run(f"sha512sum < {CURRENT}/runsc").split()[0] == runsc
    again = nodeprov("plan", WORKER, inventory=inventory)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)


def test_another_release_than_the_locked_one_is_refused(worker: Machine, tmp_path: Path) -> None:
    inventory = variant(tmp_path, release__version=f'"{OLD}"')
    assert nodeprov("lock", inventory=inventory).returncode == 0
    listing = worker.listing()
    ended = nodeprov("install", WORKER, "--yes", "--set", f"release.version={NEW}", inventory=inventory)
    refused(ended, f"has the release {OLD}, and {NEW} is wanted", f"nodeprov lock --release {NEW}")
    assert worker.listing() == listing


def test_a_saved_plan_must_be_signed_too(worker: Machine, tmp_path: Path) -> None:
    inventory, plan = inventory_with_trust(tmp_path, NEW), tmp_path / "x.plan"
    assert nodeprov("plan", WORKER, "--out", str(plan), inventory=inventory).returncode == 3
    listing = worker.listing()
    refused(nodeprov("apply", str(plan), inventory=inventory), "it is not signed", exit_code=2)
    signed(plan, inventory)
    content = plan.read_bytes()
    plan.write_bytes(content.replace(b'"drain": false', b'"drain": true '))
    refused(nodeprov("apply", str(plan), inventory=inventory), "what was signed is something else", exit_code=2)
    assert worker.listing() == listing
    plan.write_bytes(content)
    ended = nodeprov("apply", str(plan), inventory=inventory)
    assert (ended.returncode, "signed by ann@example.com" in ended.stderr) == (0, True)


def test_what_another_release_changes_is_told_by_its_program(tmp_path: Path) -> None:
    inventory = variant(tmp_path, release__version=f'"{OLD}"')
    assert nodeprov("lock", inventory=inventory).returncode == 0
    value = json.loads(nodeprov("lock", "--diff", "--release", "latest", "--json", inventory=inventory).stdout)
    assert (value["before"], value["after"]) == (OLD, NEW)
    assert value["builds"][0]["layout"] == ["loose", "archive"]
    assert "sidecar-usage-policy" in value["flags"]["added"]
    assert value["spec"]["before"] is not None
