"""`nodeprov cluster`, as somebody types it, on a real API server."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeprov.hosts.base import Output
from nodeprov.in_cluster.pod import NAMESPACE
from tests.support.command_line import nodeprov, said
from tests.support.control_plane import ControlPlane
from tests.support.fleet_of_fakes import NODES, Fakes
from tests.support.locked import locked_folder
from tests.support.pictures import FILMS, OF_A_CLUSTER, filmed, renew, structure
from tests.support.release_server import archived, serving
from tests.support.screen_svg import texts_of

ENGINE, RELEASE = (f"registry/{name}@sha256:{digit * 64}" for name, digit in (("engine", "1"), ("release", "2")))
IMAGES = ("--engine-image", ENGINE, "--release-image", RELEASE)
INVENTORY = """
[cluster]
select = "pool=sandboxes"
kubectl = "{kubectl}"
kubeconfig = "{kubeconfig}"
[rollout]
max_unavailable = "100%"
max_failures = 100
[release]
version = "20260905.0"
"""
Command = Callable[..., Output]


@pytest.fixture
def command(plane: ControlPlane, fakes: Fakes, tmp_path: Path, lock_text: str) -> Command:
    """Runs `nodeprov cluster` with an inventory of the cluster and its lock."""
    programs = {"kubectl": plane.program("kubectl"), "kubeconfig": plane.kubeconfig}
    (tmp_path / "nodeprov.toml").write_text(INVENTORY.format(**programs))
    (tmp_path / "nodeprov.lock").write_text(lock_text)
    return lambda *arguments, **environment: nodeprov("cluster", *arguments, folder=tmp_path, **environment)


@pytest.fixture(scope="module")
def lock_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("locked")
    with serving() as server:
        for architecture in ("x86_64", "aarch64"):
            server.publish("20260905.0", archived("20260905.0", architecture), architecture)
        locked_folder(folder, server)
    return (folder / "nodeprov.lock").read_text()


def parsed(output: Output) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(output.text)
    return value


def test_the_whole_way(command: Command, fakes: Fakes) -> None:
    fakes.add("n1", "bad")
    refused = command("run", *IMAGES)
    assert (refused.returncode, "no terminal to confirm on" in said(refused)) == (2, True)
    assert "+ ConfigMap nodeprov-system/nodeprov" in refused.text
    assert "2 nodes to be changed" in refused.text
    assert fakes.labelled() == []

    ran = command("run", *IMAGES, "--yes", "--json")
    assert ran.returncode == 1, said(ran)
    outcomes = {each["node"]: each for each in parsed(ran)["outcomes"]}
    assert {node: each["result"] for node, each in outcomes.items()} == {"n1": "done", "bad": "failed"}
    assert (outcomes["bad"]["why"], outcomes["bad"]["hint"]) == ("bad: the disk is full", "df -h")
    assert fakes.labelled() == ["n1"]

    status = parsed(command("status", "--json"))
    assert status["nodes"] == {"done": 1, "due": 0, "changing": 0, "failed": 1, "left": 0}
    assert status["failed"] == {"bad": "bad: the disk is full"}

    fakes.api.delete(f"{NODES}/bad")
    again = command("run", "--yes")
    assert again.returncode == 0, said(again)
    assert "0 nodes to be changed" in again.text

    gone = command("uninstall", "--yes")
    assert gone.returncode == 0, said(gone)
    assert (fakes.labelled(), fakes.last("n1"), fakes.pods()) == ([], None, [])
    left = [
        fakes.api.get(path, labelSelector="app.kubernetes.io/managed-by=nodeprov")["items"]
        for path in (
            "/api/v1/configmaps",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/rbac.authorization.k8s.io/v1/rolebindings",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            "/apis/node.k8s.io/v1/runtimeclasses",
        )
    ]
    assert left == [[]] * 5


def test_an_uninstall_that_has_failed_is_tried_again_and_keeps_the_engine(command: Command, fakes: Fakes) -> None:
    fakes.add("bad", "n1")
    assert command("run", *IMAGES, "--yes").returncode == 1
    for _ in range(2):
        failed = command("uninstall", "--yes", "--json")
        assert failed.returncode == 1, said(failed)
        assert {each["node"]: each["result"] for each in parsed(failed)["outcomes"]}["bad"] == "failed"
        assert fakes.api.find(f"/api/v1/namespaces/{NAMESPACE}/configmaps/nodeprov")
    fakes.api.delete(f"{NODES}/bad")
    assert command("uninstall", "--yes").returncode == 0
    assert fakes.api.find(f"/api/v1/namespaces/{NAMESPACE}/configmaps/nodeprov") is None
    nothing = command("uninstall", "--json")
    assert (nothing.returncode, parsed(nothing)["outcomes"]) == (0, [])


def test_an_install_that_is_repeated_changes_nothing(command: Command, fakes: Fakes) -> None:
    first = command("install", *IMAGES, "--yes", "--json")
    assert first.returncode == 0, said(first)
    kinds = [each["object"].split()[0] for each in parsed(first)["objects"]]
    assert "Deployment" in kinds
    second = command("install", "--yes")
    assert (second.returncode, said(second).splitlines()[-1]) == (0, "nothing to do")
    deployment = fakes.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/nodeprov-dispatcher")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == ENGINE
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/nodeprov"
    before = fakes.api.get(path)
    refused = command("run", "--yes", "--stage")
    assert (refused.returncode, "has a dispatcher that stays" in said(refused)) == (1, True)
    assert fakes.api.get(path) == before
    assert command("uninstall", "--yes").returncode == 0
    assert "nothing to do" in said(command("uninstall", "--yes"))


def test_a_config_map_that_somebody_has_damaged_is_named_and_written_again(command: Command, fakes: Fakes) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/nodeprov"
    assert command("run", *IMAGES, "--yes").returncode == 0

    fakes.api.patch(path, {"data": {"inventory.toml": "x: ["}})
    status = command("status")
    assert status.returncode == 2
    assert "ConfigMap nodeprov, inventory.toml:1: " in said(status)

    fakes.api.patch(path, {"data": {"run.json": "x"}})
    for name in ("status", "run", "uninstall"):
        refused = command(name, *(["--yes"] if name != "status" else []))
        assert refused.returncode == 1
        assert "hint: write it again: nodeprov cluster install --engine-image NAME@DIGEST" in said(refused)
    again = command("run", *IMAGES, "--yes")
    assert again.returncode == 0, said(again)
    assert "ConfigMap nodeprov: it is not as nodeprov writes it" in said(again)
    assert "it is written anew" in said(again)
    assert command("uninstall", "--yes").returncode == 0


def test_an_inventory_for_which_a_config_map_has_no_room_is_refused(command: Command, tmp_path: Path) -> None:
    with (tmp_path / "nodeprov.toml").open("a") as file:
        file.write("# " + "x" * (1 << 20) + "\n")
    for more in (("--render",), ("--yes",)):
        refused = command("install", *IMAGES, *more)
        assert (refused.returncode, refused.text) == (2, "")
        assert "a ConfigMap has room for 1048576" in said(refused)
        assert "[cluster] select" in said(refused)


def test_a_password_is_not_given_to_all_who_may_read_a_config_map(command: Command, tmp_path: Path) -> None:
    with (tmp_path / "nodeprov.toml").open("a") as file:
        file.write('[groups.a]\nnodes = ["*"]\n[groups.a.release]\nbase_url = "https://me:secret@mirror/gvisor"\n')
    refused = command("install", *IMAGES, "--render")
    assert (refused.returncode, refused.text) == (2, "")
    assert "base_url has a user or password in it" in said(refused)
    assert "~/.netrc" in said(refused)


def test_what_is_rendered_is_what_kubectl_takes(
    command: Command, fakes: Fakes, plane: ControlPlane, tmp_path: Path
) -> None:
    rendered = command("install", *IMAGES, "--render", "--quiet")
    assert rendered.returncode == 0, said(rendered)
    taken = plane.kubectl("apply", "--server-side", "--field-manager=nodeprov", "-f", "-", stdin=rendered.stdout)
    assert taken.returncode == 0, taken.said
    assert command("install", *IMAGES, "--render", "--quiet").text == rendered.text
    assert said(command("install", "--yes")).splitlines()[-1] == "nothing to do"
    assert command("uninstall", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((), "which image of the engine?"),
        (("--engine-image", "engine:1"), "has no digest"),
        (("--engine-image", ENGINE), "which image of the release?"),
    ],
)
def test_images_are_named_by_their_digests(command: Command, arguments: tuple[str, ...], what: str) -> None:
    output = command("install", "--render", *arguments)
    assert (output.returncode, what in said(output)) == (2, True), said(output)


def test_what_only_ssh_does_is_refused(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "nodeprov.toml"
    path.write_text(path.read_text().replace("[rollout]", "[rollout]\nbefore = 'true'"))
    output = command("install", "--render", *IMAGES)
    assert output.returncode == 2
    assert "[rollout] before is for runs over SSH" in said(output)


def test_what_the_environment_and_options_lay_over_the_inventory_is_given_to_the_cluster(command: Command) -> None:
    plain = command("install", *IMAGES, "--render", "--quiet").text
    platform = {"NODEPROV_RUNTIME_PLATFORM": "kvm", "NODEPROV_SSH_USER": "me"}
    output = command("install", *IMAGES, "--render", "--drain", **platform)
    assert output.returncode == 0, said(output)
    for line in ('platform = "kvm"', "drain = true", "pods/eviction"):
        assert line in output.text
        assert line not in plain
    assert "laid over the inventory that the cluster is given: environment NODEPROV_RUNTIME_PLATFORM" in said(
        output
    )
    assert '"me"' not in output.text
    wrong = command("install", *IMAGES, "--render", NODEPROV_RUNTIME_PLATFROM="kvm")
    assert (wrong.returncode, "is not a known key" in said(wrong)) == (2, True), said(wrong)


LOGIN = """#!/bin/sh
echo run >> {folder}/runs
expires=$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)
sed "s/EXPIRES/$expires/" {folder}/credential.json
"""


@pytest.mark.parametrize("by", ["token", "certificate"])
def test_a_user_of_a_login_program_is_let_in_and_the_program_is_asked_again(
    command: Command, fakes: Fakes, plane: ControlPlane, tmp_path: Path, by: str
) -> None:
    fakes.add("n1", "n2")
    kubeconfig = json.loads(plane.kubectl("config", "view", "--raw", "--flatten", "-o", "json").text)
    status = {
        "clientCertificateData": plane.secrets.admin.certificate.decode(),
        "clientKeyData": plane.secrets.admin.key.decode(),
    }
    if by == "token":
        status = {"token": admin_token(fakes)}
    version = "client.authentication.k8s.io/v1"
    value = {
        "apiVersion": version,
        "kind": "ExecCredential",
        "status": {**status, "expirationTimestamp": "EXPIRES"},
    }
    (tmp_path / "credential.json").write_text(json.dumps(value))
    program = tmp_path / "login"
    program.write_text(LOGIN.format(folder=tmp_path))
    program.chmod(0o755)
    said = {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}
    kubeconfig["users"][0]["user"] = {"exec": said}
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    path = tmp_path / "nodeprov.toml"
    path.write_text(path.read_text().replace(str(plane.kubeconfig), str(tmp_path / "config")))
    ran = command("run", *IMAGES, "--yes", "--json")
    assert ran.returncode == 0, said_of(ran)
    assert fakes.labelled() == ["n1", "n2"]
    assert len((tmp_path / "runs").read_text().splitlines()) > 1
    assert command("uninstall", "--yes").returncode == 0


def said_of(output: Output) -> str:
    return output.text + said(output)


def admin_token(fakes: Fakes) -> str:
    """Return the token of a service account that may do anything."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    if fakes.api.find(f"{bindings}/login") is None:
        fakes.api.create(bindings, {"metadata": {"name": "login"}, "roleRef": role, "subjects": [subject]})
    token: str = fakes.api.create(f"{account}/token", {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    return token


def test_nothing_of_ours_is_told_with_what_to_type(command: Command) -> None:
    output = command("status")
    assert (output.returncode, said(output).splitlines()[-1]) == (1, "hint: nodeprov cluster install")


def test_the_picture_of_the_status_shows_what_it_prints(command: Command, fakes: Fakes, tmp_path: Path) -> None:
    fakes.add(*(f"worker-{number:02}" for number in range(1, 12)), "bad")
    command("run", *IMAGES, "--yes")
    inventory = {"NODEPROV_INVENTORY": str(tmp_path / "nodeprov.toml")}
    screen = filmed((OF_A_CLUSTER,), inventory, tmp_path)[OF_A_CLUSTER.name]
    fakes.api.delete(f"{NODES}/bad")
    assert command("uninstall", "--yes").returncode == 0  # its policies hold for the tests that follow too
    if os.environ.get("UPDATE_GOLDEN"):
        if renew(OF_A_CLUSTER, screen):
            shutil.copy(tmp_path / f"{OF_A_CLUSTER.film}.json", FILMS)
        return
    assert structure(texts_of(OF_A_CLUSTER.path.read_text())) == structure(screen.texts), (
        "script/screens renews it"
    )
