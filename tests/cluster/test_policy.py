"""The policies of `nodeprov policy` on a real API server, with the controllers that make pods of templates."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from nodeprov.kubernetes.policy.audit import workloads
from nodeprov.kubernetes.policy.names import LABEL, REASON
from nodeprov.kubernetes.policy.objects import Sandboxes
from nodeprov.kubernetes.policy.rules import RULES, SANDBOX
from tests.support.charts import CHARTS
from tests.support.policies import (
    CLASS,
    DEVELOPER,
    NODE,
    ONCALL,
    RULE,
    RUNTIME_CLASS,
    Cluster,
    cluster,
    namespace,
    pod,
    rule,
    until,
)

GIVEN = Sandboxes(CLASS, "runsc")
BAD: dict[str, dict[str, Any]] = {
    SANDBOX: {"runtimeClassName": None},
    "host-network": {"hostNetwork": True},
    "host-pid": {"hostPID": True},
    "host-ipc": {"hostIPC": True},
    "host-path": {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
    "privileged": {"securityContext": {"privileged": True}},
    "capabilities": {"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE", "SYS_ADMIN"]}}},
    "host-ports": {"ports": [{"containerPort": 80, "hostPort": 80}]},
}
"""For each rule what breaks it, of a pod or of its container."""
OF_CONTAINER = ("securityContext", "ports")
LARGE = 5_000
"""So many containers, and so many volumes."""


def breaking(*names: str) -> dict[str, Any]:
    """Write a pod that breaks some rules and no other."""
    spec: dict[str, Any] = {}
    container: dict[str, Any] = {"name": "main", "image": "x"}
    for name in names:
        for field, value in BAD[name].items():
            if field not in OF_CONTAINER:
                spec[field] = value
            elif isinstance(value, dict):
                container[field] = {**container.get(field, {}), **value}
            else:
                container[field] = value
    return pod("p", **{"containers": [container], **spec})


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with all policies, and a namespace of each mode."""
    with cluster(tmp_path_factory.mktemp("policy")) as found:
        found.made(*map(namespace, ("strict", "warned", "tenant", "free")))
        found.policy("apply", "--required", "strict", "--audit", "warned", "--default", "tenant", "--yes")
        found.in_force("strict")
        found.in_force("warned")
        until(lambda: _defaulted(found), "the default")
        yield found


def _defaulted(found: Cluster) -> bool:
    made = found.kubectl(
        "-n", "tenant", "create", "-f", "-", "--dry-run=server", "-o", "json", value=breaking(SANDBOX)
    )
    return bool(json.loads(made.text)["spec"].get("runtimeClassName"))


def test_a_second_run_has_nothing_to_do_and_the_server_finds_no_fault_in_any_expression(there: Cluster) -> None:
    again = there.nodeprov("policy", "apply", "--required", "strict")
    assert (again.returncode, again.text) == (0, "cluster: nothing to do\n")

    def checked() -> list[Any]:
        return [
            each.get("status", {}).get("typeChecking")
            for each in there.get("validatingadmissionpolicies")["items"]
        ]

    until(lambda: None not in checked(), "the type checking")
    assert checked() == [{}] * 4


@pytest.mark.parametrize("name", BAD)
def test_a_pod_that_breaks_a_rule_is_refused_by_it_and_only_warned_of_where_it_is_audited(
    there: Cluster, name: str
) -> None:
    refused = there.make(breaking(name), "strict")
    assert refused.returncode == 1
    said = next(
        (each.said for each in RULES if each.name == name), "it must run in a sandbox: set runtimeClassName"
    )
    assert f"rule {name}: {said}" in refused.stderr.decode()
    admitted = there.make(breaking(name), "warned")
    assert (admitted.returncode, RULE.findall(admitted.stderr.decode())) == (0, [name])
    there.kubectl("-n", "warned", "delete", "pod", "p", "--now")
    assert there.make(breaking(name), "free").stderr == b""
    there.kubectl("-n", "free", "delete", "pod", "p", "--now")


def test_whatever_a_pod_breaks_at_once_the_audit_and_the_server_say_the_same(there: Cluster) -> None:
    some = [names for count in range(len(BAD) + 1) for names in itertools.combinations(BAD, count)]
    for names in some:
        value = breaking(*names)
        status, warned, _ = there.dry_run("warned", value)
        [found] = workloads([{**value, "metadata": {"name": "p", "namespace": "warned"}}], GIVEN)
        assert (status, sorted(warned)) == (201, sorted(each.rule for each in found.broken)), names
        assert set(names) <= set(warned)
        assert there.dry_run("strict", value)[0] == (403 if names else 201), names


@pytest.mark.parametrize("name", ["", "host-ports", "host-path"])
def test_a_pod_of_ten_thousand_parts_is_judged_within_the_limits_of_expressions(there: Cluster, name: str) -> None:
    """A policy whose expressions cost more than the API server allows would refuse it, whatever it breaks."""
    value = breaking(name) if name else breaking()
    spec = value["spec"]
    spec["containers"] = [
        *({"name": f"c{port}", "image": "x", "ports": [{"containerPort": port}]} for port in range(100, LARGE)),
        *spec["containers"],
    ]
    spec["volumes"] = [
        *({"name": f"v{number}", "emptyDir": {}} for number in range(LARGE)),
        *spec.get("volumes", []),
    ]
    status, warned, said = there.dry_run("warned", value)
    assert (status, warned) == (201, [name] if name else []), said
    assert there.dry_run("strict", value)[0] == (403 if name else 201)


def test_pods_without_a_class_get_the_sandbox_and_what_follows_from_it_by_default(there: Cluster) -> None:
    there.made(breaking(SANDBOX), where="tenant")
    spec = there.get("pod", "p", "-n", "tenant")["spec"]
    assert spec["runtimeClassName"] == CLASS
    assert spec["overhead"] == {"cpu": "50m", "memory": "64Mi"}
    assert spec["nodeSelector"] == {"sandboxes": "true"}
    there.kubectl("-n", "tenant", "delete", "pod", "p", "--now")
    there.made(breaking(SANDBOX, "host-network"), where="tenant")
    assert "runtimeClassName" not in there.get("pod", "p", "-n", "tenant")["spec"]
    there.kubectl("-n", "tenant", "delete", "pod", "p", "--now")


def test_the_mirror_of_a_static_pod_passes(there: Cluster) -> None:
    for name in ("strict", "tenant"):
        value = pod(
            "mirror", {"kubernetes.io/config.mirror": "x"}, runtimeClassName=None, nodeName="n", hostPID=True
        )
        there.made(value, where=name)
        assert "runtimeClassName" not in there.get("pod", "mirror", "-n", name)["spec"]
        there.kubectl("-n", name, "delete", "pod", "mirror", "--now", "--force")


def test_a_container_that_is_added_to_a_pod_for_debugging_keeps_the_rules_too(there: Cluster) -> None:
    there.made(pod("debugged"), where="strict")

    def added(name: str, **security: Any) -> tuple[int, list[str]]:
        container = {"name": name, "image": "x", "securityContext": security}
        patch = json.dumps({"spec": {"ephemeralContainers": [container]}})
        call = ("-n", "strict", "patch", "pod", "debugged", "--subresource=ephemeralcontainers", "-p", patch)
        output = there.kubectl(*call, user=DEVELOPER)
        return output.returncode, RULE.findall(output.stderr.decode())

    assert added("one", privileged=True) == (1, ["privileged"])
    assert added("two", capabilities={"add": ["SYS_PTRACE"]}) == (1, ["capabilities"])
    assert added("three") == (0, [])
    assert added("four") == (0, [])
    there.kubectl("-n", "strict", "delete", "pod", "debugged", "--now")


def test_another_class_is_no_sandbox(there: Cluster) -> None:
    there.made({**RUNTIME_CLASS, "metadata": {"name": "other"}})
    refused = there.make(pod("p", runtimeClassName="other"), "strict")
    assert f"rule sandbox: it must run in a sandbox: set runtimeClassName: {CLASS}" in refused.stderr.decode()
    there.kubectl("delete", "runtimeclass", "other")


def test_the_glass_is_broken_by_who_may_and_the_audit_log_has_who_and_why(there: Cluster) -> None:
    value = pod("debug", {REASON: "incident 4711"}, runtimeClassName=None, hostPID=True)
    refused = there.make(value, "strict", DEVELOPER)
    assert refused.returncode == 1
    assert f"{REASON} is not accepted: it needs the verb use on sandboxexemptions" in refused.stderr.decode()
    assert there.make(value, "strict", ONCALL).returncode == 0
    key = "nodeprov-sandbox-required/break-glass"
    found = [
        (each["user"]["username"], each["responseStatus"]["code"], each["annotations"][key])
        for each in there.audit_log()
        if key in each.get("annotations", {}) and each["objectRef"].get("name") == "debug"
    ]
    assert found == [(who, code, f"{who}: incident 4711") for who, code in ((DEVELOPER, 403), (ONCALL, 201))]
    there.kubectl("-n", "strict", "delete", "pod", "debug", "--now")


def test_the_commands_of_the_page_give_the_right(there: Cluster) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    role = dedent(page.split("kubectl apply -f - <<END\n")[1].split("    END\n")[0])
    [role_binding] = [line.split() for line in page.splitlines() if "rolebinding break-glass" in line]
    (there.folder / "role.yaml").write_text(role)
    assert there.kubectl("apply", "-f", str(there.folder / "role.yaml")).returncode == 0
    called = ["strict" if word == "shop" else word for word in role_binding[1:]]
    assert there.kubectl(*called).returncode == 0

    def may(where: str) -> bool:
        # Not by `kubectl auth can-i`, which asks for another resource where the server does not know this one.
        asked = {"namespace": where, "verb": "use", "group": "nodeprov.io", "resource": "sandboxexemptions"}
        spec = {"user": "ann", "groups": ["oncall"], "resourceAttributes": asked}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = json.loads(there.kubectl("create", "-f", "-", "-o", "json", value=review).text)
        allowed: bool = answer["status"]["allowed"]
        return allowed

    until(lambda: may("strict"), "the right")
    assert not may("free")


def deployment(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_a_template_breaks_the_glass_for_its_pods_where_whoever_wrote_it_may(there: Cluster) -> None:
    value = deployment("agent", {REASON: "no sandbox for the agent yet"})
    for where in ("strict", "free"):  # also where it is enforced only later
        refused = there.make(value, where, DEVELOPER)
        assert f"a pod template with the annotation {REASON} needs the verb use" in refused.stderr.decode()
    assert there.make(value, "strict", ONCALL).returncode == 0
    until(lambda: len(there.get("pods", "-n", "strict", "-l", "app=agent")["items"]) == 1, "its pod")
    image = json.dumps({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "y"}]}}}})
    changed = ("-n", "strict", "patch", "deployment", "agent", "-p")
    assert there.kubectl(*changed, image, user=DEVELOPER).returncode == 1
    assert there.kubectl(*changed, json.dumps({"spec": {"replicas": 2}}), user=DEVELOPER).returncode == 0
    assert there.kubectl(*changed, image, user=ONCALL).returncode == 0
    key = "nodeprov-sandbox-break-glass/break-glass"
    assert f"{ONCALL}: no sandbox for the agent yet" in [
        each["annotations"][key] for each in there.audit_log() if key in each.get("annotations", {})
    ]
    there.kubectl("-n", "strict", "delete", "deployment", "agent")


def test_the_label_and_the_class_are_changed_only_by_who_may(there: Cluster) -> None:
    change = rule("nodeprov.io", "sandboxpolicies", "change")
    there.may("keeper", rule("", "namespaces", "get", "patch"), change)
    off = (
        "patch",
        "namespace",
        "strict",
        "-p",
        json.dumps({"metadata": {"labels": {LABEL: None}}}),
        "--dry-run=server",
    )
    refused = there.kubectl(*off, user=DEVELOPER)
    assert f"to change the label {LABEL} of a namespace needs the verb change" in refused.stderr.decode()
    assert there.kubectl(*off, user="keeper").returncode == 0
    other = ("patch", "namespace", "strict", "-p", json.dumps({"metadata": {"labels": {"team": "a"}}}))
    assert there.kubectl(*other, user=DEVELOPER).returncode == 0
    elsewhere = json.dumps({"scheduling": {"nodeSelector": {"sandboxes": "false"}}})
    there.may("sweeper", rule("node.k8s.io", "runtimeclasses", "deletecollection"))
    all_at_once = ("delete", "--raw", "/apis/node.k8s.io/v1/runtimeclasses")
    refused = there.kubectl(*all_at_once, user="sweeper")
    assert f"to change or delete the RuntimeClass {CLASS} needs the verb change" in refused.stderr.decode()
    assert there.kubectl("get", "runtimeclass", CLASS).returncode == 0
    for call in (("patch", "runtimeclass", CLASS, "-p", elsewhere), ("delete", "runtimeclass", CLASS)):
        refused = there.kubectl(*call, user=DEVELOPER)
        assert f"to change or delete the RuntimeClass {CLASS} needs the verb change" in refused.stderr.decode()
    assert there.kubectl("label", "runtimeclass", CLASS, "team=a").returncode == 0


def test_a_class_that_goes_or_leads_elsewhere_under_the_policy_makes_no_sandbox(there: Cluster) -> None:
    there.kubectl("delete", "runtimeclass", CLASS)
    until(lambda: there.dry_run("strict", pod("p"))[0] == 403, "the end of the class")
    broken = pod("p", {REASON: "it is gone"}, runtimeClassName=None)
    until(lambda: "no params found" in there.dry_run("strict", broken)[2], "the end of the class")
    assert there.dry_run("warned", pod("p", runtimeClassName=None))[0] == 201
    found = there.nodeprov("policy", "audit", "-n", "strict")
    assert f"RuntimeClass {CLASS} is not there" in found.stderr.decode()
    there.made({**RUNTIME_CLASS, "handler": "runc"})
    swapped = "RuntimeClass gvisor does not lead to the handler runsc"
    until(lambda: swapped in there.dry_run("strict", pod("p"))[2], "the swapped class")
    refused = there.nodeprov("policy", "apply", "--required", "free")
    assert (refused.returncode, "leads to the handler runc" in refused.stderr.decode()) == (1, True)
    there.kubectl("delete", "runtimeclass", CLASS)
    there.made(RUNTIME_CLASS)
    until(lambda: there.dry_run("strict", pod("p"))[0] == 201, "the class")


def test_the_audit_of_thirty_charts_agrees_with_what_enforcement_then_does(there: Cluster) -> None:
    there.made(namespace("before"), namespace("after", **{LABEL: "required"}), NODE)
    until(lambda: there.kubectl("-n", "after", "get", "serviceaccount", "default").returncode == 0)
    until(lambda: there.kubectl("-n", "before", "get", "serviceaccount", "default").returncode == 0)
    there.in_force("after")
    there.made({"apiVersion": "v1", "kind": "List", "items": list(CHARTS)}, where="before")
    said = there.nodeprov("policy", "audit", "-n", "before", "--json")
    assert said.returncode == 1
    audited = {each["name"]: each["result"] == "refused" for each in json.loads(said.text)["workloads"]}
    assert len(audited) == len(CHARTS) == 30
    there.make({"apiVersion": "v1", "kind": "List", "items": list(CHARTS)}, "after")
    for each in CHARTS:
        if each["kind"] == "CronJob":
            name = each["metadata"]["name"]
            there.kubectl("-n", "after", "create", "job", name, f"--from=cronjob/{name}")
    enforced: dict[str, bool] = {}

    def all_known() -> bool:
        for found in there.get("pods", "-n", "after")["items"]:
            enforced[_chart(found["metadata"]["name"])] = False
        for found in there.get("events", "-n", "after")["items"]:
            if found["reason"] == "FailedCreate" and "nodeprov-sandbox-required" in found["message"]:
                enforced[_chart(found["involvedObject"]["name"])] = True
        return len(enforced) == len(CHARTS) - 1

    until(all_known, f"{30 - 1} workloads with pods or refused")
    enforced["shell"] = there.kubectl("-n", "after", "get", "pod", "shell").returncode != 0
    assert {name: result for name, result in audited.items() if enforced[name] != result} == {}
    assert {*audited.values()} == {True, False}


def _chart(name: str) -> str:
    """Find of which chart a pod, or what makes pods, is: their names begin with its name."""
    names: list[str] = [each["metadata"]["name"] for each in CHARTS]
    return max((each for each in names if name == each or name.startswith(f"{each}-")), key=len)
