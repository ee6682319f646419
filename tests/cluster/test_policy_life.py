"""The policies of `nodeprov policy` applied, changed and removed, on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nodeprov.kubernetes.policy.names import LABEL
from tests.support.policies import (
    NODE,
    Cluster,
    cluster,
    namespace,
    until,
)

of_a_life = pytest.mark.rotates(3, "policies applied, changed and removed")
"""Marks what applies all policies anew: two of them a day."""


def objects(there: Cluster) -> list[str]:
    """Name all that policies are made of in a cluster."""
    kinds = ("validatingadmissionpolicies", "mutatingadmissionpolicies", "networkpolicies")
    bindings = [kind.replace("icies", "icybindings") for kind in kinds[:2]]
    found = there.get(",".join((*kinds, *bindings)), "-A")["items"]
    return sorted(f"{each['kind']} {each['metadata']['name']}" for each in found)


def labels_of(there: Cluster, name: str) -> dict[str, str]:
    labels: dict[str, str] = there.get("namespace", name)["metadata"]["labels"]
    return {key: value for key, value in labels.items() if key != "kubernetes.io/metadata.name"}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("bare")) as found:
        found.made(*map(namespace, ("shop", "bank")))
        found.make(theirs("somebody-elses"))
        yield found


@pytest.fixture
def bare(without: Cluster) -> Iterator[Cluster]:
    """A cluster in which each test makes its policies; what one that failed has left does not fail the next."""
    yield without
    without.nodeprov("policy", "remove", "--yes")


def theirs(name: str) -> dict[str, Any]:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]}
    api, kind = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}


THEIRS = ["ValidatingAdmissionPolicy somebody-elses"]
RESTRICTED = {f"pod-security.kubernetes.io/{each}": "restricted" for each in ("enforce", "audit", "warn")}


@of_a_life
def test_a_remove_leaves_nothing_of_ours_and_touches_nothing_of_others(bare: Cluster) -> None:
    bare.kubectl("label", "namespace", "shop", "team=a", "pod-security.kubernetes.io/warn=restricted")
    bare.policy("apply", "--required", "shop", "--profile", "shop", "--audit", "bank", "--yes")
    assert labels_of(bare, "shop") == {"team": "a", LABEL: "required", **RESTRICTED}
    assert "NetworkPolicy nodeprov-default-deny" in objects(bare)
    pending = bare.nodeprov("policy", "remove", "--dry-run", "--json")
    assert pending.returncode == 3
    assert len(json.loads(pending.text)["plans"][0]["steps"]) == len(objects(bare)) - 1 + 2
    bare.policy("remove", "--yes")
    assert objects(bare) == THEIRS
    assert labels_of(bare, "shop") == {"team": "a", "pod-security.kubernetes.io/warn": "restricted"}
    assert labels_of(bare, "bank") == {}
    assert bare.nodeprov("policy", "remove").text == "cluster: nothing to do\n"
    bare.kubectl("label", "namespace", "shop", "pod-security.kubernetes.io/warn-")


@of_a_life
def test_what_is_rendered_and_applied_by_somebody_else_is_what_an_apply_makes(bare: Cluster) -> None:
    text = bare.policy("render", "--without", "host-path", "--profile", "shop")
    (bare.folder / "policy.yaml").write_text(text)
    assert bare.kubectl("apply", "-f", str(bare.folder / "policy.yaml")).returncode == 0
    plan = json.loads(bare.nodeprov("policy", "apply", "--without", "host-path", "--dry-run", "--json").text)
    assert plan["plans"][0]["steps"] == []
    more = bare.nodeprov("policy", "apply", "--dry-run")
    assert (more.returncode, more.text.count("\n  ~ ")) == (3, 1)
    assert "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))" in more.text
    bare.policy("remove", "--yes")
    assert objects(bare) == THEIRS


def test_bad_input_changes_nothing_and_says_what_to_type(bare: Cluster) -> None:
    bare.kubectl("label", "namespace", "bank", "pod-security.kubernetes.io/enforce=baseline")
    bare.make(theirs("nodeprov-guard-namespaces"))
    said = bare.nodeprov("policy", "apply", "--required", "shoop", "--profile", "bank", "--yes")
    assert said.returncode == 1
    for message in (
        "there is no namespace shoop\nhint: kubectl",
        "has pod-security.kubernetes.io/enforce=baseline, which somebody else has set\nhint: kubectl",
        "ValidatingAdmissionPolicy nodeprov-guard-namespaces is there, and it is not nodeprov's\nhint: look at it",
    ):
        assert message in said.stderr.decode()
    bare.kubectl("delete", "validatingadmissionpolicy", "nodeprov-guard-namespaces")
    bare.kubectl("label", "namespace", "bank", "pod-security.kubernetes.io/enforce-")
    assert objects(bare) == THEIRS
    assert bare.nodeprov("policy", "audit", "-n", "shoop").returncode == 2
    alone = bare.nodeprov("policy", "apply", "--part", "guards", "--required", "shop", "--yes")
    assert "nothing would hold there" in alone.stderr.decode()
    assert objects(bare) == THEIRS


@of_a_life
def test_an_edit_by_somebody_else_is_shown_and_put_back(bare: Cluster) -> None:
    bare.policy("apply", "--yes")
    name = "nodeprov-sandbox-required"
    patch = json.dumps({"metadata": {"labels": {"team": "a"}}, "spec": {"failurePolicy": "Ignore"}})
    bare.kubectl("patch", "validatingadmissionpolicy", name, "--type=merge", "-p", patch)
    shown = bare.nodeprov("policy", "apply", "--dry-run").text
    assert "-  failurePolicy: Ignore" in shown
    assert "+  failurePolicy: Fail" in shown
    bare.policy("apply", "--yes")
    found = bare.get("validatingadmissionpolicy", name)
    assert (found["metadata"]["labels"]["team"], found["spec"]["failurePolicy"]) == ("a", "Fail")
    bare.policy("remove", "--yes")


def account(bare: Cluster, name: str, *options: str) -> None:
    """Make a service account by what `nodeprov rbac` prints, and an inventory that uses it."""
    output = bare.nodeprov("rbac", "--name", name, "--service-account", f"default/{name}", *options)
    (bare.folder / f"{name}.yaml").write_text(output.text)
    applied = bare.kubectl("apply", "-f", str(bare.folder / f"{name}.yaml"))
    assert applied.returncode == 0, applied.said
    token = bare.kubectl("create", "token", name, "-n", "default").text.strip()
    text = bare.config("").read_text()
    client = "".join(line for line in text.splitlines(keepends=True) if "client-" not in line)
    user = client[: client.index("users:")] + f"users:\n- name: {name}\n  user:\n    token: {token}\n"
    context = bare.kubectl("config", "view", "-o", "jsonpath={.current-context}|{.clusters[0].name}").text
    current, cluster_name = context.split("|")
    path = bare.plane.folder / f"{name}.conf"
    path.write_text(user.split("contexts:")[0])
    for call in (
        ("set-credentials", name, f"--token={token}"),
        ("set-context", current, f"--user={name}", f"--cluster={cluster_name}"),
        ("use-context", current),
    ):
        assert bare.kubectl("config", *call, user=name).returncode == 0


@of_a_life
def test_the_printed_role_is_enough_for_all_of_it(bare: Cluster) -> None:
    account(bare, "least", "--policy")
    bare.write_inventory("least.toml", "least")
    there = ("-i", "least.toml")
    bare.policy("apply", *there, "--required", "shop", "--profile", "bank", "--yes")
    bare.in_force("shop")
    assert bare.nodeprov("policy", "audit", *there).returncode == 0
    bare.policy("apply", *there, "--audit", "shop", "--without", "host-ports", "--yes")
    bare.policy("remove", *there, "--yes")
    assert objects(bare) == THEIRS


@of_a_life
def test_a_run_that_fails_half_way_takes_back_what_it_has_done(bare: Cluster) -> None:
    account(bare, "short", "--policy")
    role = bare.get("clusterrole", "short-policy")
    role["rules"] = [
        {
            **each,
            "verbs": [verb for verb in each["verbs"] if (verb, each["resources"]) != ("patch", ["namespaces"])],
        }
        for each in role["rules"]
    ]
    bare.kubectl("replace", "-f", "-", value=role)
    bare.write_inventory("short.toml", "short")
    output = bare.nodeprov("policy", "apply", "-i", "short.toml", "--required", "shop", "--yes", "--json")
    outcome = json.loads(output.text)["outcomes"][0]
    assert (output.returncode, outcome["left"], len(outcome["undone"])) == (1, [], 12)
    assert "forbidden" in outcome["error"]["message"]
    assert objects(bare) == THEIRS


def test_nodeprov_itself_may_change_its_own_fields_of_a_node_and_no_other(bare: Cluster) -> None:
    account(bare, "own", "--confine")
    bare.made({**NODE, "metadata": {"name": "worker1", "labels": {"tier": "gold"}}})
    taint = {"key": "other", "value": "x", "effect": "NoSchedule"}

    def patched(*options: str, **fields: Any) -> tuple[int, str]:
        call = ("patch", "node", "worker1", "--type=merge", "-p", json.dumps(fields), *options)
        output = bare.kubectl(*call, user="own")
        return output.returncode, output.stderr.decode()

    iron = {"labels": {"tier": "iron"}}
    until(lambda: "its own labels" in patched("--dry-run=server", metadata=iron)[1], "the policy")
    refused: dict[str, dict[str, Any]] = {
        "its own labels": {"metadata": {"labels": {"tier": None}}},
        "its own annotations": {"metadata": {"annotations": {"note": "x"}}},
        "its own taints": {"spec": {"taints": [taint]}},
        "the owners": {"metadata": {"finalizers": ["a.example/b"]}},
        "no other field": {"spec": {"unschedulable": True}},
    }
    for message, fields in refused.items():
        status, said = patched(**fields)
        assert (status, f"nodeprov may change {message}" in said or message in said) == (1, True), said
    assert patched(metadata={"labels": {"nodeprov.node-restriction.kubernetes.io/gvisor": "true"}})[0] == 0
    assert (
        patched(metadata={"annotations": {"nodeprov.io/last": "x"}, "labels": {"nodeprov.io/claimed": "r"}})[0]
        == 0
    )
    assert bare.policy("remove", "--yes") == "cluster: nothing to do\n"
    assert "ValidatingAdmissionPolicy own-own-fields" in objects(bare)
    bare.kubectl("delete", "-f", str(bare.folder / "own.yaml"))


@of_a_life
def test_a_cluster_without_the_newer_kind_is_told_so_and_gets_the_rest(tmp_path: Any) -> None:
    kinds = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
    old = ",".join(f"admissionregistration.k8s.io/v1/{kind}=false" for kind in kinds)
    with cluster(
        tmp_path, f"--runtime-config={old}", "--disable-admission-plugins=MutatingAdmissionPolicy"
    ) as found:
        found.made(*map(namespace, ("shop", "bank")))
        refused = found.nodeprov("policy", "apply", "--default", "shop", "--yes")
        assert (refused.returncode, "leave --default shop out" in refused.stderr.decode()) == (1, True)
        assert objects_of_validation(found) == []
        shown = found.nodeprov("policy", "apply", "--required", "shop", "--dry-run")
        assert "note: default is left out: this cluster has no MutatingAdmissionPolicy" in shown.text
        found.policy("apply", "--required", "shop", "--yes")
        found.in_force("shop")
        found.policy("remove", "--yes")
        assert objects_of_validation(found) == []


def objects_of_validation(found: Cluster) -> list[Any]:
    items: list[Any] = found.get("validatingadmissionpolicies,validatingadmissionpolicybindings")["items"]
    return items
