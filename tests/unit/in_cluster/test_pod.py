"""The pod of a node's run: what it may do, where it runs, and what it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nodeprov.in_cluster.assignment import Assignment
from nodeprov.in_cluster.pod import PodImages, engine_pod, incoming, pod_name

ASKED = Assignment(run="r1", action="install", node="worker1", node_uid="u-1", machine_id="m-1")
IMAGES = PodImages("registry/engine@sha256:e", "registry/release@sha256:r")


def made(action: str = "install", images: PodImages = IMAGES) -> dict[str, Any]:
    return engine_pod(replace(ASKED, action=action), images, prefix="/opt/nodeprov", deadline_seconds=900)


def test_it_is_on_its_node_in_the_node_s_namespaces_and_has_no_token() -> None:
    spec = made()["spec"]
    assert (spec["nodeName"], spec["hostPID"], spec["hostNetwork"]) == ("worker1", True, True)
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec


def test_kubelet_starts_it_again_until_its_time_is_over() -> None:
    spec = made()["spec"]
    assert (spec["restartPolicy"], spec["activeDeadlineSeconds"]) == ("OnFailure", 900)


def test_it_is_found_by_its_run_and_says_of_which_node_it_is() -> None:
    metadata = made("stage")["metadata"]
    assert metadata["namespace"] == "nodeprov-system"
    assert metadata["labels"].items() >= {"nodeprov.io/run": "r1", "nodeprov.io/action": "stage"}.items()
    assert metadata["annotations"] == {"nodeprov.io/node": "worker1"}


def test_only_the_engine_has_the_node_s_rights() -> None:
    [engine], [copier] = made()["spec"]["containers"], made()["spec"]["initContainers"]
    assert engine["securityContext"]["privileged"]
    assert copier["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not copier["securityContext"]["allowPrivilegeEscalation"]
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in (engine, copier))


def test_the_only_place_of_the_node_that_is_mounted_is_the_folder_of_releases() -> None:
    spec = made()["spec"]
    assert [each["hostPath"]["path"] for each in spec["volumes"] if "hostPath" in each] == [
        "/opt/nodeprov/releases"
    ]
    mounts = spec["containers"][0]["volumeMounts"]
    assert [(each["name"], each["readOnly"]) for each in mounts] == [("config", True), ("releases", True)]
    assert spec["initContainers"][0]["args"] == ["/releases/.incoming-r1"]
    assert incoming("/opt/nodeprov", "r1") == "/opt/nodeprov/releases/.incoming-r1"


def test_the_engine_is_given_its_assignment() -> None:
    [engine] = made()["spec"]["containers"]
    given = {each["name"]: each["value"] for each in engine["env"] if "value" in each}
    assert Assignment.from_environment(given) == ASKED
    assert {each["name"] for each in engine["env"]} - given.keys() == {"NODEPROV_PLACED_ON"}


def test_an_uninstall_brings_no_release_and_tolerates_every_taint() -> None:
    spec = made("uninstall", PodImages("engine"))["spec"]
    assert "initContainers" not in spec
    assert [each["name"] for each in spec["volumes"]] == ["config"]
    assert [each["name"] for each in spec["containers"][0]["volumeMounts"]] == ["config"]
    assert spec["tolerations"] == [{"operator": "Exists"}]


def test_an_install_tolerates_what_a_daemon_set_does() -> None:
    tolerated = made()["spec"]["tolerations"]
    assert {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"} in tolerated
    assert {"operator": "Exists"} not in tolerated


def test_two_long_names_of_nodes_give_two_names_of_pods_within_the_limit() -> None:
    names = {pod_name("20261128-195501", f"{'a' * 240}{last}") for last in "xy"}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_pull_secrets_are_named_where_there_are_some() -> None:
    assert "imagePullSecrets" not in made()["spec"]
    spec = made(images=replace(IMAGES, pull_secrets=("regcred",)))["spec"]
    assert spec["imagePullSecrets"] == [{"name": "regcred"}]
