"""What nodeprov may do in a cluster, at the least: rules for the nodes and the names of an inventory."""

from collections.abc import Sequence
from dataclasses import dataclass

from nodeprov.inventory import Node
from nodeprov.templates import render

TO_PATCH = (
    "The label. To patch a node is more than that, as RBAC knows no fields: whoever has this may set other "
    "labels of these nodes (and so draw pods to them), taints (with none, pods come that were kept away; with "
    "more, pods are evicted), annotations and unschedulable, and with an ownerReference have the Node object "
    "deleted. Their status and all other nodes stay out of reach."
)
TO_CREATE_PODS = (
    "The pods that prove a node. Whoever creates pods here may mount this namespace's secrets and use its service "
    "accounts: a namespace of its own ([proof] namespace), with neither, makes that worth nothing."
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done to which objects; no `names` is all. `why` is the reason, and what else it allows."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()


PROOF_RULES = (
    Rule("", "pods", ("get", "list", "watch", "create", "delete"), TO_CREATE_PODS),
    Rule("", "pods/log", ("get",), "What they print."),
    Rule("", "pods/exec", ("get", "create"), "`nodeprov verify` runs its probe in them."),
    Rule("", "events", ("list",), "Why one does not get on."),
)
DRAIN_RULES = (
    Rule("node.k8s.io", "runtimeclasses", ("list",), "Which names lead to the handler."),
    Rule("", "pods", ("list",), "Which pods of all namespaces run with it on the node; their specs are seen."),
    Rule("", "pods/eviction", ("create",), "To evict them, as their PodDisruptionBudgets allow."),
)

_ADMISSION = "admissionregistration.k8s.io"
_POLICIES = ("validatingadmissionpolic", "mutatingadmissionpolic")
POLICY_RULES = (
    *(
        Rule(
            _ADMISSION,
            kind,
            ("get", "list", "create", "update", "delete"),
            "The policies and their bindings. Whoever has this decides on what is admitted to the whole cluster: "
            "RBAC cannot keep `create` to names, and no policy is asked about policies.",
        )
        for kind in (f"{each}{ending}" for each in _POLICIES for ending in ("ies", "ybindings"))
    ),
    Rule(
        "",
        "namespaces",
        ("get", "list", "patch"),
        "Their labels. To patch is also to change the labels of others.",
    ),
    Rule("networking.k8s.io", "networkpolicies", ("get", "list", "create", "update", "delete"), "`--profile`."),
    Rule(
        "node.k8s.io",
        "runtimeclasses",
        ("get",),
        "Where the class leads. Who writes a policy that reads objects of a kind must be allowed to read all.",
    ),
    Rule("", "pods", ("list",), "`policy audit`: their specs are seen."),
    Rule("", "replicationcontrollers", ("list",), "The same."),
    Rule("apps", "deployments", ("list",), "The same, for what makes pods."),
    Rule("apps", "replicasets", ("list",), "The same."),
    Rule("apps", "statefulsets", ("list",), "The same."),
    Rule("apps", "daemonsets", ("list",), "The same."),
    Rule("batch", "jobs", ("list",), "The same."),
    Rule("batch", "cronjobs", ("list",), "The same."),
    Rule(
        "nodeprov.io",
        "sandboxpolicies",
        ("change",),
        "No object: the guards ask for it before the label of a namespace, or the RuntimeClass, is changed.",
    ),
)

PROBE_RULES = (
    Rule(
        "",
        "namespaces",
        ("get", "list", "watch", "create", "patch", "delete"),
        "`nodeprov probe` and `calibrate` make one, and remove it. RBAC cannot keep these to names.",
    ),
    Rule(
        "",
        "pods",
        ("get", "list", "watch", "create", "patch", "delete"),
        "Their pods, and those of `nodeprov try`. Whoever has this may make privileged pods in any namespace, and "
        "so do anything on any node: give it to who has that already.",
    ),
    Rule("", "pods/log", ("get",), "What the pods of `calibrate` print."),
    Rule("", "pods/ephemeralcontainers", ("get", "patch"), "One question is what `kubectl debug` finds in a pod."),
    Rule("", "pods/resize", ("get", "patch"), "One is whether a pod sees that its limits were changed."),
    Rule("", "pods/exec", ("get", "create"), "One is what `kubectl exec -it` gives."),
    Rule("", "pods/portforward", ("get", "create"), "One is whether a port can be forwarded."),
    Rule(
        "",
        "nodes/proxy",
        ("get",),
        "kubelet's numbers of pods. It is also to run commands in all pods of all nodes.",
    ),
    Rule("", "events", ("list",), "Why a pod does not start: that is one of the answers."),
    Rule("", "replicationcontrollers", ("get",), "`nodeprov try` reads what makes pods."),
    Rule("apps", "deployments", ("get",), "The same."),
    Rule("apps", "replicasets", ("get",), "The same."),
    Rule("apps", "statefulsets", ("get",), "The same."),
    Rule("apps", "daemonsets", ("get",), "The same."),
    Rule("batch", "jobs", ("get",), "The same."),
    Rule("batch", "cronjobs", ("get",), "The same."),
)


@dataclass(frozen=True, slots=True)
class Role:
    """Rules under a name, for one namespace or, without one, for the whole cluster."""

    name: str
    namespace: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom the roles are given to."""

    namespace: str
    name: str


def roles(
    nodes: Sequence[Node], name: str, *, drain: bool, policy: bool = False, probe: bool = False
) -> tuple[Role, ...]:
    """Return what plan, install, verify and uninstall of these nodes need.

    `drain`: what an eviction needs too; `policy` and `probe`: what these commands do.
    """
    namespaces = sorted({node.settings.proof.namespace for node in nodes})
    proofs = tuple(Role(name, namespace, PROOF_RULES) for namespace in namespaces)
    draining = (Role(f"{name}-drain", "", DRAIN_RULES),) if drain else ()
    policies = (Role(f"{name}-policy", "", POLICY_RULES),) if policy else ()
    probes = (Role(f"{name}-probe", "", PROBE_RULES),) if probe else ()
    return (Role(name, "", _rules(nodes)), *proofs, *draining, *policies, *probes)


def _rules(nodes: Sequence[Node]) -> tuple[Rule, ...]:
    names = tuple(node.name for node in nodes)
    canaries = [view for node in nodes if (view := node.canary()) is not None]
    views = [*(view for node in nodes for view in node.views), *canaries]
    classes = tuple(sorted({view.settings.runtime_class.name for view in views}))
    return (
        Rule("", "nodes", ("get", "patch"), TO_PATCH, names),
        Rule(
            "",
            "nodes",
            ("list",),
            "Which nodes have the label: the RuntimeClass goes with the last. RBAC cannot keep a list to names.",
        ),
        Rule(
            "node.k8s.io",
            "runtimeclasses",
            ("get", "update", "delete"),
            "The RuntimeClass. Whoever changes it decides which handler its pods run with.",
            classes,
        ),
        Rule("node.k8s.io", "runtimeclasses", ("create", "list"), "RBAC cannot keep these to names."),
    )


def manifest(some: Sequence[Role], account: ServiceAccount | None) -> str:
    """Write roles as YAML for `kubectl apply`; with an account, that too, and the bindings."""
    return render("cluster/rbac.yaml.j2", roles=some, account=account)
