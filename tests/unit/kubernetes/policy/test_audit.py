"""Who would be refused: pods are put to what makes them."""

from __future__ import annotations

from typing import Any

from nodeprov.kubernetes.policy.audit import Audited, Workload, to_json, to_text, workloads
from nodeprov.kubernetes.policy.names import REASON
from nodeprov.kubernetes.policy.objects import Sandboxes
from nodeprov.kubernetes.policy.rules import chosen

GIVEN = Sandboxes("gvisor", "runsc")


SHARED = [{"name": "shared", "emptyDir": {}}]
BOTH = [{"name": name, "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]} for name in ("main", "side")]


def item(kind: str, name: str, spec: dict[str, Any], owner: str = "", **metadata: Any) -> dict[str, Any]:
    above, _, its_name = owner.partition("/")
    owners = [{"kind": above, "name": its_name, "controller": True}] if owner else []
    given = {"name": name, "namespace": "shop", "ownerReferences": owners, **metadata}
    return {"apiVersion": "v1", "kind": kind, "metadata": given, "spec": spec}


def boxed(**spec: Any) -> dict[str, Any]:
    return {"runtimeClassName": "gvisor", "containers": [{"name": "main"}], **spec}


def template(spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {"template": {"metadata": {"annotations": annotations}, "spec": spec}, "replicas": 1}


def found(*items: dict[str, Any], given: Sandboxes = GIVEN) -> dict[str, list[str]]:
    return {f"{each.kind} {each.name}": [b.rule for b in each.broken] for each in workloads(items, given)}


def test_a_pod_counts_for_what_makes_it_with_what_was_put_into_it_on_its_way() -> None:
    sidecar = {"name": "proxy", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}
    assert found(
        item("Deployment", "web", template(boxed())),
        item("ReplicaSet", "web-1", template(boxed()), "Deployment/web"),
        item("Pod", "web-1-a", boxed(initContainers=[sidecar]), "ReplicaSet/web-1"),
        item("ReplicaSet", "old", {**template(boxed(hostPID=True)), "replicas": 0}, "Deployment/web"),
    ) == {"Deployment web": ["capabilities"]}


def test_those_that_own_each_other_are_looked_at_once() -> None:
    items = [
        item("ReplicaSet", "one", template(boxed(hostPID=True)), "ReplicaSet/two"),
        item("ReplicaSet", "two", template(boxed(hostPID=True)), "ReplicaSet/one"),
        item("Pod", "self", boxed(hostPID=True), "Pod/self"),
    ]
    assert {rule for rules in found(*items).values() for rule in rules} == {"host-pid"}


def test_a_job_counts_for_its_cron_job_and_what_has_ended_for_nothing() -> None:
    job = template(boxed(hostIPC=True))
    ended = {**item("Pod", "a", boxed(hostPID=True)), "status": {"phase": "Succeeded"}}
    assert found(
        item("CronJob", "backup", {"jobTemplate": {"spec": job}}),
        item("Job", "backup-1", job, "CronJob/backup"),
        {**item("Job", "done", job), "status": {"conditions": [{"type": "Complete", "status": "True"}]}},
        {**item("Job", "failed", job), "status": {"conditions": [{"type": "Failed", "status": "True"}]}},
        ended,
    ) == {"CronJob backup": ["host-ipc"]}


def test_what_somebody_else_makes_counts_alone_and_a_mirror_not_at_all() -> None:
    mirror = {"kubernetes.io/config.mirror": "x"}
    assert found(
        item("Pod", "of-an-operator", {"containers": []}, "Custom/x"),
        item("Pod", "static", {"hostNetwork": True}, annotations=mirror),
    ) == {"Pod of-an-operator": ["sandbox"]}


def test_a_rule_that_is_left_out_is_not_broken() -> None:
    pod = item("Pod", "a", boxed(hostPID=True, hostIPC=True))
    assert found(pod, given=Sandboxes("gvisor", "runsc", chosen(["host-pid"]))) == {"Pod a": ["host-ipc"]}


def test_what_breaks_the_glass_is_told_with_its_reason_and_is_not_refused() -> None:
    bare = item("ReplicaSet", "agent-1", {"template": {"metadata": {"annotations": None}}}, "Deployment/agent")
    agent = item("Deployment", "agent", template({"containers": []}, **{REASON: "old"}))
    [each] = workloads([agent, {**bare, "spec": {**bare["spec"], "replicas": 1}}], GIVEN)
    assert (each.reason, each.is_refused) == ("old", False)


def test_it_is_written_for_people_and_for_programs() -> None:
    some = tuple(
        workloads(
            [
                item("Pod", "good", boxed()),
                item("Pod", "bad", boxed(runtimeClassName="runc", hostPID=True)),
                item("Pod", "debug", {}, annotations={REASON: "incident 7"}),
                item("Deployment", "other", template(boxed(hostUsers=False, volumes=SHARED, containers=BOTH))),
            ],
            GIVEN,
        )
    )
    result = Audited(("shop",), some, "runsc")
    assert to_text(result).splitlines() == [
        "shop: Deployment other: in a sandbox it does not start: host-users",
        "  in a sandbox this works differently, without a message: shared-volume",
        "shop: Pod bad: its pods would be refused",
        "  rule sandbox: it must run in a sandbox: set runtimeClassName: gvisor (runtimeClassName: runc)",
        "  rule host-pid: it may not see the processes of the node: leave hostPID out (hostPID)",
        "  in a sandbox this works differently, without a message: host-pid",
        "shop: Pod debug: breaks the glass: incident 7",
        "  rule sandbox: it must run in a sandbox: set runtimeClassName: gvisor (runtimeClassName: none)",
        "1 of 4 workloads in 1 namespace would be refused",
    ]
    value = to_json(result)
    assert [(each["name"], each["result"]) for each in value["workloads"]] == [
        ("other", "admitted"),
        ("bad", "refused"),
        ("debug", "exempt"),
        ("good", "admitted"),
    ]
    assert [each["id"] for each in value["workloads"][0]["met"]] == ["host-users", "shared-volume"]
    assert value["workloads"][1]["broken"][1] == {
        "rule": "host-pid",
        "said": "it may not see the processes of the node: leave hostPID out",
        "where": ["hostPID"],
    }
    assert Workload("shop", "Pod", "x", ()).is_refused is False
