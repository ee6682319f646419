"""The objects of a dispatcher, in force on a real API server: its roles, and its policies."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator

from nodeprov.dispatch.api import ApiError, Object
from nodeprov.dispatch.applying import apply, plan
from nodeprov.dispatch.objects import ACCOUNT, Place, objects, path_of
from nodeprov.dispatch.policies import GROUP
from nodeprov.dispatch.wanted import Members, Wanted
from nodeprov.in_cluster.pod import NAMESPACE
from tests.support.dispatching import wanted
from tests.support.fleet_of_fakes import Fakes, inventory

TAINT = "readiness.k8s.io/gvisor"
WISH = wanted(inventory(max_unavailable="100%").replace("[cluster]", f'[cluster]\nstartup_taint = "{TAINT}"'))
MEMBERS = Members(WISH)
DRAIN = wanted(inventory(max_unavailable="100%", drain=True))
WAIT = wanted(inventory(max_unavailable="100%", wait_for="app=batch", wait_timeout_seconds=1))
PODS_OF_OTHERS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


@contextlib.contextmanager
def in_force(fakes: Fakes, wish: Wanted) -> Iterator[list[Object]]:
    values = objects(wish, Members(wish), Place())
    planned = plan(fakes.api, [each for each in values if each["kind"] != "Deployment"])
    for done in apply(fakes.api, planned):
        assert done.verb == "create" or done.value["kind"] == "Namespace"
    wait_for_policies(fakes)
    yield values
    for each in reversed(values):
        if each["kind"] != "Namespace":
            fakes.api.delete(path_of(each))


def wait_for_policies(fakes: Fakes) -> None:
    """Wait until the server enforces all that were made by now, and none that was deleted.

    It takes up all at once, at the most each second (k8s.io/apiserver: pkg/admission/plugin/policy/generic,
    policy_source.go): so one that was made last tells of those before.
    """
    name = f"last-{secrets.token_hex(4)}"
    rule = {"operations": ["CREATE"], "resources": ["configmaps"], "resourceNames": [name]}
    value = {"metadata": {"name": name}}
    with policy(fakes, name, rule, "false"):
        fakes.until(lambda: name in _refusal(lambda: fakes.api.create(CONFIG_MAPS, value, dryRun="All")))


@contextlib.contextmanager
def policy(fakes: Fakes, name: str, rule: Object, expression: str) -> Iterator[None]:
    """Have a policy of others that wants an expression to hold for some requests; its message is its name."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], **rule}]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": expression, "message": name}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    kinds = {"validatingadmissionpolicies": spec, "validatingadmissionpolicybindings": binding}
    for kind, value in kinds.items():
        fakes.api.create(f"/apis/{GROUP}/{kind}", {"metadata": {"name": name}, "spec": value})
    yield
    for kind in reversed(kinds):
        fakes.api.delete(f"/apis/{GROUP}/{kind}/{name}")


def _refusal(act: Callable[[], object]) -> str:
    """Return what the server says where it refuses something; "" if it does not."""
    try:
        act()
    except ApiError as error:
        return error.message
    return ""


def wait_until_forbidden(fakes: Fakes, resource: str, verb: str) -> None:
    """Wait until the server knows that the dispatcher has a right no more, in all namespaces."""
    name, _, sub = resource.partition("/")
    asked = {"verb": verb, "resource": name, "subresource": sub}
    value = {"spec": {"user": USER, "resourceAttributes": asked}}
    fakes.until(lambda: not fakes.api.create(REVIEWS, value)["status"]["allowed"])


def run_pod(fakes: Fakes, name: str, labels: dict[str, str] | None = None) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "o", "uid": "o", "controller": True}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    metadata = {"name": name, "labels": labels or {}, "ownerReferences": [owner]}
    fakes.api.create(PODS_OF_OTHERS, {"metadata": metadata, "spec": spec})
