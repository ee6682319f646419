"""Probe, calibrate and try while the API server is away: for a moment, which holds them up, or for good."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.machines import ADMIN, NAMESPACE, WORKER, Kubectl, Machine, eventually
from tests.lab.running import Started, installed, started, variant
from tests.lab.trials import deployment, inventory_of_a_prober, shadows
from tests.support.sampling import by_turns

pytestmark = by_turns

MOMENT_SECONDS = 15


@pytest.fixture
def inventory(kubectl: Kubectl, tmp_path: Path) -> Path:
    """The lab's inventory, with a service account: an API server that has just begun does not know it yet."""
    return inventory_of_a_prober(kubectl, tmp_path)


@contextmanager
def api_server_away(kubectl: Kubectl) -> Iterator[None]:
    """End the API server, and have it come back."""
    master = Machine("master")
    # An end that it is asked for takes a minute by itself: it waits for its watches.
    master.run("systemctl stop --no-block kube-apiserver; systemctl kill --signal=KILL kube-apiserver")
    try:
        yield
    finally:
        master.run("systemctl start kube-apiserver")
        with eventually(90) as more:
            while kubectl.attempt("get", "--raw", "/readyz").returncode:
                assert more()


def is_away_for_a_moment(kubectl: Kubectl) -> None:
    with api_server_away(kubectl):
        Machine("master").run(f"sleep {MOMENT_SECONDS}")


def namespaces(kubectl: Kubectl) -> list[str]:
    found = kubectl.json("get", "namespaces", "-l", "nodeprov.io/made-for")["items"]
    return [each["metadata"]["name"] for each in found]


def probed_pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    items = kubectl.json("get", "pods", "--namespace=", "-A", "--field-selector", f"spec.nodeName={WORKER}")[
        "items"
    ]
    return [each for each in items if each["metadata"]["namespace"].startswith("nodeprov-")]


def wait_until_some_run(kubectl: Kubectl) -> None:
    with eventually(60) as more:
        while not any(each["status"].get("phase") == "Running" for each in probed_pods(kubectl)):
            assert more()


def test_a_probe_goes_on_when_it_is_back(worker: Machine, kubectl: Kubectl, inventory: Path) -> None:
    installed(WORKER)
    with started("probe", WORKER, "--json", inventory=inventory) as run:
        wait_until_some_run(kubectl)
        is_away_for_a_moment(kubectl)
        ended = run.end(300)
    assert "Traceback" not in ended.stderr
    (node,) = json.loads(ended.stdout)["nodes"]
    found = {each["id"]: each["result"] for each in node["findings"]}
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {name for name, result in found.items() if result == "not told"} == {"host-users"}
    assert namespaces(kubectl) == []


@pytest.mark.parametrize("moment", ["measuring 2 containers", "measuring starts and system calls"])
def test_a_calibration_goes_on_when_it_is_back(
    worker: Machine, kubectl: Kubectl, inventory: Path, moment: str
) -> None:
    installed(WORKER)
    with started("calibrate", WORKER, "--json", inventory=inventory) as run:
        run.wait_for(moment)
        is_away_for_a_moment(kubectl)
        ended = run.end(400)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    starts = json.loads(ended.stdout)["calibration"]["pace"]
    assert max(each["start_seconds"] for each in starts.values()) < MOMENT_SECONDS, starts
    assert namespaces(kubectl) == []


def test_a_trial_goes_on_when_it_is_back(worker: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    installed(WORKER)
    with tried(kubectl, variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')) as run:
        is_away_for_a_moment(kubectl)
        ended = run.end(300)
        trial = json.loads(ended.stdout)["trial"]
        assert ended.returncode == 3, ended.stdout + ended.stderr
        assert trial["sandbox"]["ready"]
        assert trial["runc"]["ready"]
        assert shadows(kubectl) == []


def test_one_that_stays_away_is_an_error_that_names_what_is_left(
    worker: Machine, kubectl: Kubectl, inventory: Path, tmp_path: Path
) -> None:
    installed(WORKER)
    admin = variant(tmp_path, cluster__kubeconfig=f'"{ADMIN}"')
    with started("probe", WORKER, inventory=inventory) as run, tried(kubectl, admin) as trial:
        wait_until_some_run(kubectl)
        with api_server_away(kubectl):
            ended, given_up = run.end(120), trial.end(120)
        (left,) = namespaces(kubectl)
        assert ended.returncode == given_up.returncode == 1
        assert re.search(r"the API server has not answered for \d+ s: ", ended.stderr), ended.stderr
        assert f"the namespace {left} is still there" in ended.stderr
        assert f"delete namespace {left}" in ended.stderr.partition("hint: ")[2]
        kubectl("delete", "namespace", left)
        assert f"pods of the trial are still in the namespace {NAMESPACE}" in given_up.stderr
        (removal,) = re.findall(r"-l (nodeprov\.io/try=\w+)", given_up.stderr.partition("hint: ")[2])
        kubectl("delete", "pods", "-l", removal)
        assert shadows(kubectl) == []
        assert "Traceback" not in ended.stderr + given_up.stderr


@contextmanager
def tried(kubectl: Kubectl, inventory: Path) -> Iterator[Started]:
    """Have a trial at work, of which both pods are there."""
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment("web")))
    try:
        with started("try", "deployment/web", "-n", NAMESPACE, "--json", inventory=inventory) as run:
            with eventually(30) as more:
                while len(shadows(kubectl)) < 2:
                    assert more()
            yield run
    finally:
        kubectl("delete", "deployment", "web", "--ignore-not-found")
