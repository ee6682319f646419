"""The pods in which a node is probed: as they are sent, and what is read of them."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from nodeprov.workloads.catalogue import Behaviour, catalogue
from nodeprov.workloads.probes import UNMADE, is_made

DATA = Path(__file__).with_name("probe_pods.toml")
HELPER = "-"
"""The name of what is asked for its effect alone."""
LONGEST_LIFE_SECONDS = 300
"""Pods whose nodeprov was killed end on their own after that."""
_PATIENCE = "NODEPROV_PATIENCE"
"""What tells the program how many times longer than usual all may take."""
_REFUSED = ("CreateContainerError", "RunContainerError", "CreateContainerConfigError", "StartError")
"""What kubelet says of a container that cannot be started (kubernetes: pkg/kubelet/container/sync_result.go)."""
_STATUSES = ("containerStatuses", "ephemeralContainerStatuses")
_NO_SANDBOX = "FailedCreatePodSandBox"
_HINDERED = ("DeadlineExceeded", "Evicted", "NodeShutdown", "OutOf", "Preempting", "Terminated")
"""How the reasons begin for which kubelet ends or rejects any pod, in a sandbox or not: a full node, a slow one
(kubernetes: pkg/kubelet/lifecycle/predicate.go, active_deadline.go, eviction, preemption, nodeshutdown)."""
_CANNOT_ANSWER = 2
"""What the program ends with where it does not know what it is asked, such as an older one of a registry."""
_KEPT = ("before", "after", "only")
_ADDED = "added"


class Side(Enum):
    """Which of the two pods."""

    RUNC = "runc"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the pods are to be.

    Attributes:
        namespace: that of the pods, and a name that nothing else on the node has.
        node: their node.
        runtime_class: what brings one of two pods into the sandbox.
        image, pull_policy: where the program is.
        program: its path there.
        folder: an empty folder on the node.
        patience: how many times longer than usual all may take.
    """

    namespace: str
    node: str
    runtime_class: str
    image: str
    pull_policy: str
    program: str
    folder: str
    patience: int = 1


@functools.cache
def shapes() -> Mapping[str, Mapping[str, Any]]:
    """Read the pods' fields, by the pods' names."""
    return tomllib.loads(DATA.read_text())


def questions(pod: str, container: str) -> list[str]:
    """List what is asked in a container, each with the name of its behaviour."""
    return [
        f"{each.id}={each.probe.ask}"
        for each in catalogue().values()
        if each.probe is not None and not each.probe.outside and each.probe.place == (pod, container)
    ]


def asked_outside(pod: Mapping[str, Any]) -> dict[str, str]:
    """List what is asked about a pod from outside, by the names of the behaviours; nothing unless it is ready."""
    ready = [each for each in pod.get("status", {}).get("containerStatuses", ()) if each.get("ready")]
    if len(ready) < len(pod["spec"]["containers"]):
        return {}
    return {each.id: each.probe.outside for each in asked_in(shape_of(pod)) if each.probe and each.probe.outside}


def asked_in(shape: str) -> list[Behaviour]:
    """List what is asked in a pod, and about it."""
    return [each for each in catalogue().values() if each.probe and each.probe.place[0] == shape]


def needs_us(shape: str) -> bool:
    """Tell whether a pod's answers also depend on what kubectl does to it in time."""
    fields = shapes()[shape]
    return "act" in fields or any(each.get(_ADDED) for each in fields["containers"].values())


def running_containers(pod: Mapping[str, Any]) -> list[str]:
    """Return the IDs of the containers that run now."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return [each["containerID"].rpartition("/")[2] for each in statuses if "running" in each["state"]]


def started_at(pod: Mapping[str, Any]) -> float:
    """Return when the last container has surely begun, in seconds since 1970; 0 if none runs."""
    states = [each["state"] for each in pod.get("status", {}).get("containerStatuses", ())]
    starts = [each["running"].get("startedAt") for each in states if "running" in each]
    # Kubernetes leaves out the parts of a second.
    return max((datetime.fromisoformat(each).timestamp() + 1 for each in starts if each), default=0.0)


def acts(pod: Mapping[str, Any], setting: Setting) -> list[list[str]]:
    """Return what kubectl does once to a pod as soon as it runs: what its shape says, and to add containers."""
    name = pod["metadata"]["name"]
    shape_name, _, side = name.rpartition("-")
    shape = shapes()[shape_name]
    own = [_filled(shape["act"], Side(side), setting)] if "act" in shape else []
    added = [each for each, fields in shape["containers"].items() if fields.get(_ADDED)]
    image = (f"--image={setting.image}", f"--image-pull-policy={setting.pull_policy}")
    chosen = ("--profile=general", "--target=main")
    debug = [
        ["debug", name, *image, *chosen, f"--container={each}", "--", *_command(shape_name, each, setting)]
        for each in added
    ]
    return [*([each.replace("{pod}", name) for each in one] for one in own), *debug]


def manifests(setting: Setting, names: Iterable[str]) -> list[dict[str, Any]]:
    """Write the pods of these names, each with the sandbox and without it."""
    return [_pod(name, side, setting) for name in names for side in Side]


def _pod(name: str, side: Side, setting: Setting) -> dict[str, Any]:
    shape = shapes()[name]
    filled = _filled({**shape.get("spec", {}), "containers": [*_containers(name, side, setting)]}, side, setting)
    sandboxed = {"runtimeClassName": setting.runtime_class} if side is Side.SANDBOX else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-{side.value}", "namespace": setting.namespace},
        "spec": {
            "nodeName": setting.node,
            "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
            "restartPolicy": "Never",
            "dnsPolicy": "Default",
            "activeDeadlineSeconds": LONGEST_LIFE_SECONDS * setting.patience,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            **sandboxed,
            **filled,
        },
    }


def _containers(pod: str, side: Side, setting: Setting) -> Iterator[dict[str, Any]]:
    for name, fields in shapes()[pod]["containers"].items():
        if fields.get("only", side.value) != side.value or fields.get(_ADDED):
            continue
        own = {key: value for key, value in fields.items() if key not in _KEPT}
        yield {
            "name": name,
            "image": setting.image,
            "imagePullPolicy": setting.pull_policy,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "command": _command(pod, name, setting),
            **({"env": [{"name": _PATIENCE, "value": str(setting.patience)}]} if setting.patience > 1 else {}),
            **own,
            "resources": {
                "requests": {"cpu": "10m", "memory": "16Mi", **own.get("resources", {}).get("requests", {})},
                "limits": {"cpu": "500m", "memory": "128Mi", **own.get("resources", {}).get("limits", {})},
            },
        }


def _command(pod: str, container: str, setting: Setting) -> list[str]:
    fields = shapes()[pod]["containers"][container]
    before, after = ([f"{HELPER}={each}" for each in fields.get(key, ())] for key in ("before", "after"))
    return [setting.program, "answer", *before, *questions(pod, container), *after]


def _filled(value: Any, side: Side, setting: Setting) -> Any:
    """Put names in place of {folder}, {mark} and {side}."""
    names = {"{folder}": setting.folder, "{mark}": setting.namespace, "{side}": side.value}
    text = json.dumps(value)
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    return json.loads(text)


def shape_of(pod: Mapping[str, Any]) -> str:
    """Name what a pod is made by."""
    return str(pod["metadata"]["name"].rpartition("-")[0])


def has_ended(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], known: Mapping[str, str]) -> bool:
    """Tell whether nothing more can be learned of a pod: it is over, or all its questions are answered."""
    is_over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    is_known = all(is_made(known.get(each.id)) for each in asked_in(shape_of(pod)))
    return is_over or is_known or all(_said_of(pod, each, events) is not None for each in _names(pod))


def answers(pods: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], side: Side) -> dict[str, str]:
    """Read what the pods of one side have answered, by the behaviours' names."""
    found: dict[str, str] = {}
    for pod in pods:
        shape, _, its_side = pod["metadata"]["name"].rpartition("-")
        if its_side == side.value:
            for container in _names(pod):
                found |= _answers(pod, shape, container, events)
    return found


def _names(pod: Mapping[str, Any]) -> list[str]:
    """Name the containers, also those that are still to be added."""
    shape = shapes()[pod["metadata"]["name"].rpartition("-")[0]]
    added = [name for name, fields in shape["containers"].items() if fields.get(_ADDED)]
    return [*(each["name"] for each in pod["spec"]["containers"]), *added]


def _answers(
    pod: Mapping[str, Any], shape: str, container: str, events: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    said = _said_of(pod, container, events)
    otherwise, lines = said or (f"{UNMADE}the pod did not end", ())
    given = [line.partition("\t")[::2] for line in lines]
    if trouble := next((answer for name, answer in given if name == HELPER and answer[:1] == UNMADE), ""):
        otherwise, given = trouble, []
    answered = {name: _printable(answer) for name, answer in given}
    names = [each.partition("=")[0] for each in questions(shape, container)]
    return {name: answered.get(name, otherwise) for name in names}


def _printable(answer: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in answer)


def _said_of(
    pod: Mapping[str, Any], container: str, events: Sequence[Mapping[str, Any]]
) -> tuple[str, Sequence[str]] | None:
    """Return how a container ended, and the lines that it wrote; None while that is not known."""
    status = pod.get("status", {})
    hindered = f"{UNMADE}{status.get('message') or status.get('reason')}"
    is_hindered = status.get("phase") == "Failed" and str(status.get("reason", "")).startswith(_HINDERED)
    states = {each["name"]: each["state"] for key in _STATUSES for each in status.get(key, ())}
    state: Mapping[str, Any] = states.get(container, {})
    ended, waiting = state.get("terminated"), state.get("waiting") or {}
    for each in (ended or {}, waiting):
        if each.get("reason") in _REFUSED:
            return f"refused: {each.get('message', '')}", ()
    if ended:
        lines = (ended.get("message") or "").splitlines()
        if is_hindered:
            return hindered, lines
        if ended["exitCode"] == _CANNOT_ANSWER:
            return f"{UNMADE}the program cannot answer: {' '.join(lines[-1:]) or 'it does not say why'}", lines
        return f"exit {ended['exitCode']}", lines
    if is_hindered:
        return hindered, ()
    if status.get("phase") == "Failed":
        return f"refused: {status.get('message') or status.get('reason', '')}", ()
    return next(
        (
            (f"refused: {each['message']}", ())
            for each in events
            if each["reason"] == _NO_SANDBOX and each["involvedObject"].get("name") == pod["metadata"]["name"]
        ),
        None,
    )
