"""The command line on real nodes: saved plans, what is said and what is not."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from tests.lab.machines import CONFIG, NEW, OTHER, WORKER, Machine
from tests.lab.running import INVENTORY, Ended, installed, nodeprov, variant
from tests.support.sampling import by_turns


def apply(path: Path, *arguments: str) -> Ended:
    output = run_program(
        [sys.executable, "-m", "nodeprov", "apply", str(path), *arguments], timeout_seconds=600, folder=path.parent
    )
    ended = Ended(output.returncode, output.stdout.decode(), output.stderr.decode())
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def test_a_saved_plan_is_carried_out_as_it_was_seen(worker: Machine, tmp_path: Path) -> None:
    """Also where the release was said to be the latest: the plan is saved with the one that it was then."""
    path = tmp_path / "node.plan"
    pristine, listing = worker.config(), worker.listing()
    latest = variant(tmp_path, release__version='"latest"')
    planned = nodeprov("plan", WORKER, "--out", str(path), inventory=latest)
    assert planned.returncode == 3
    assert f"saved: nodeprov apply {path}" in planned.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    assert worker.config().decode() not in json.loads(path.read_text())["plans"][0]["text"]
    assert worker.listing() == listing

    applied = apply(path)
    assert applied.returncode == 0, applied.stderr
    assert f"{WORKER}: install: 9 changes" in applied.stderr
    assert ", as planned by " in applied.stderr
    assert f"{WORKER}: install done, 9 changes" in applied.stdout
    assert nodeprov("plan", WORKER).returncode == 0

    again = apply(path, "--json")
    assert again.returncode == 0
    (outcome,) = json.loads(again.stdout)["outcomes"]
    assert (outcome["pending"], outcome["changed"]) == (False, 0)
    assert f"{WORKER}: already as this plan wants it" in again.stderr

    planned = nodeprov("plan", WORKER, "--uninstall", "--out", str(path))
    assert planned.returncode == 3
    assert "- label" in planned.stdout
    assert apply(path, "--quiet").returncode == 0
    assert worker.config() == pristine
    assert worker.listing() == listing


@by_turns
def test_one_changed_node_is_enough_to_touch_none(worker: Machine, other: Machine, tmp_path: Path) -> None:
    path = tmp_path / "both.plan"
    assert nodeprov("plan", "worker*", "--out", str(path)).returncode == 3
    other.run(f"sed -i 's/^disabled_plugins/# by hand\\n&/; $a # the end' {CONFIG}")
    before = worker.listing(), other.listing()
    ended = apply(path)
    assert ended.returncode == 1
    assert f"{OTHER}: has changed since the plan was saved" in ended.stderr
    assert "+       # the end" in ended.stderr
    assert "nothing was changed on any node" in ended.stderr
    assert (worker.listing(), other.listing()) == before
    assert worker.run("ls -d /var/lib/nodeprov 2>/dev/null || echo none") == "none\n"


def test_a_plan_is_not_saved_over_another_file(worker: Machine, tmp_path: Path) -> None:
    path = tmp_path / "precious.toml"
    path.write_text(INVENTORY.read_text())
    ended = nodeprov("plan", WORKER, "--out", str(path))
    assert ended.returncode == 2
    assert "exists and is not a saved plan" in ended.stderr
    assert path.read_text() == INVENTORY.read_text()


def test_quiet_prints_the_result_alone(worker: Machine) -> None:
    ended = installed(WORKER, "--quiet")
    assert ended.stderr == ""
    assert ended.stdout.startswith(f"{WORKER}: install done, 9 changes\n")


@pytest.mark.parametrize("arguments", [(), ("--no-color",)])
def test_there_is_no_escape_in_a_pipe(worker: Machine, arguments: tuple[str, ...]) -> None:
    ended = nodeprov("plan", WORKER, "-vv", *arguments)
    assert "\x1b" not in ended.stdout + ended.stderr


def test_a_coloured_plan_is_the_same_text(worker: Machine) -> None:
    argv = [sys.executable, "-m", "nodeprov", "plan", WORKER, "-i", str(INVENTORY)]
    plain = run_program(argv).text
    painted = run_program(argv, environment={"FORCE_COLOR": "1", "NO_COLOR": ""}).text
    assert "\x1b[32m  + release" in painted
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[36m", "\x1b[1m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == plain
    assert "\x1b" not in run_program(argv, environment={"FORCE_COLOR": "1", "NO_COLOR": "1"}).text


def test_verbose_shows_commands_without_what_is_secret(worker: Machine) -> None:
    named = nodeprov("plan", WORKER, "--verbose").stderr
    assert re.search(rf"^{WORKER}: command 1: facts, \d+\.\d\d s$", named, re.MULTILINE)
    assert "base64 -w 0" not in named
    ended = nodeprov("plan", WORKER, "-vv")
    assert f"{WORKER}: command 1: ask\n" in ended.stderr
    assert "base64 -w 0" in ended.stderr
    assert "PRIVATE KEY" not in ended.stderr
    assert "client-key-data" not in ended.stderr


def test_support_says_what_there_is_and_what_is_missing(worker: Machine, tmp_path: Path) -> None:
    installed(WORKER)
    secret = f'\n[plugins.x.registry.configs."r".auth]\npassword = "hunter2-{tmp_path.name}"\n'
    worker.run(f"cat >> {CONFIG} <<'E'{secret}E")
    before = worker.listing()
    path = tmp_path / "report.tar.gz"
    ended = nodeprov("support", WORKER, "--out", str(path))
    assert ended.returncode == 0, ended.stderr
    assert "missing" not in ended.stdout
    with tarfile.open(path) as tar:
        texts = {
            each.name.removeprefix(f"nodeprov-support-{WORKER}/"): (tar.extractfile(each) or io.BytesIO()).read()
            for each in tar.getmembers()
        }
    assert f"  {len(texts['containerd/config.toml']):>8}  containerd/config.toml" in ended.stdout
    assert b'password = "(not shown)"' in texts["containerd/config.toml"]
    assert b"hunter2" not in b"".join(texts.values())
    assert b"PRIVATE KEY" not in b"".join(texts.values())
    assert b"binary_name" in texts["runsc/runsc.toml"]
    assert NEW.encode() in texts["runsc/version.txt"]
    assert json.loads(texts["cluster/node.json"])["metadata"]["name"] == WORKER
    assert json.loads(texts["cluster/runtimeclass.json"])["handler"] == "runsc"
    assert b"base64" not in texts["receipts/000001-install.json"]
    assert len(texts["journal/containerd.txt"].splitlines()) > 10
    assert worker.listing() == before


@by_turns
def test_support_works_where_containerd_does_not_run_and_no_cluster_answers(
    worker: Machine, tmp_path: Path
) -> None:
    nowhere = variant(tmp_path, cluster__kubeconfig='"/nowhere"')
    worker.run("systemctl stop containerd")
    try:
        ended = nodeprov("support", WORKER, "--json", "--out", str(tmp_path / "x.tgz"), inventory=nowhere)
    finally:
        worker.run("systemctl start containerd")
    value = json.loads(ended.stdout)
    missing = {each["name"]: each["why"] for each in value["missing"]}
    assert ended.returncode == 0
    assert {"facts.json", "containerd/config.toml", "containerd/dump.toml", "journal/containerd.txt"} <= {
        each["name"] for each in value["files"]
    }
    assert {"receipts/", "runsc/runsc.toml", "cluster/node.json"} <= set(missing)
    assert "/nowhere" in missing["cluster/node.json"]


@by_turns
def test_a_node_that_is_left_between_two_states_ends_with_4(worker: Machine) -> None:
    """containerd does not come back, neither with the new configuration nor with the old one."""
    folder = "/etc/systemd/system/containerd.service.d"
    worker.run(f"mkdir {folder} && printf '[Service]\\nExecStartPre=/bin/false\\n' > {folder}/broken.conf")
    worker.run("systemctl daemon-reload")
    try:
        ended = nodeprov("install", WORKER, "--yes", "--json")
    finally:
        worker.run(f"rm -r {folder}; systemctl daemon-reload; systemctl reset-failed containerd")
        worker.run("systemctl restart containerd")
    assert ended.returncode == 4, ended.stderr
    (outcome,) = json.loads(ended.stdout)["outcomes"]
    assert (outcome["exit_code"], len(outcome["left"])) == (4, 1)
    assert "containerd.service" in outcome["left"][0]
