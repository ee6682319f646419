"""Everything that verify must catch: each row breaks one thing by hand, as time and other people do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.lab.machines import CLASS, CONFIG, CURRENT, LABEL, Kubectl, Machine

POLICY = "admissionregistration.k8s.io/v1"
KUBELET = "/var/lib/kubelet/config.yaml"
APISERVER = "/etc/systemd/system/kube-apiserver.service"
MEMORY = "/sys/fs/cgroup/memory"
PODS = f"{MEMORY}/kubepods"
HANDLER_FOLDER = "/opt/nodeprov/handlers/runsc"

NEED_CGROUP_V2 = ("pod_slice", "pod_slice_throttled", "pod_slice_kill")
"""The checks that only a virtual machine can break: this lab's nodes have cgroup v1."""

PROOFS = ("get", "pods", "-n", "default", "-l", "app.kubernetes.io/managed-by=nodeprov")

Act = Callable[[Machine, Kubectl], None]


def on_node(script: str) -> Act:
    """Do something on the node."""
    return lambda machine, _kubectl: void(machine.run(script))


def void(_said: object) -> None:
    """Have nothing to say."""


def in_cluster(*arguments: str, stdin: str = "") -> Act:
    """Do something in the cluster; NODE is the node's name."""
    return lambda machine, kubectl: void(
        kubectl(*(each.replace("NODE", machine.name) for each in arguments), stdin=stdin)
    )


@dataclass(frozen=True)
class Break:
    """One thing that is broken by hand, the check that must see it, and what it must say.

    `planned` is what the plan then shows; without it the drift is not nodeprov's to mend, and `undo` mends it.
    """

    check: str
    how: str
    act: Act
    said: str
    planned: str = ""
    undo: Act = lambda _machine, _kubectl: None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the inventory with which the node is installed and verified."""


def kubelet_with(line: str) -> Act:
    """Restart kubelet with a line of its configuration added."""

    def act(machine: Machine, kubectl: Kubectl) -> None:
        machine.run(f"cp -p {KUBELET} {KUBELET}.kept && echo {line!r} >> {KUBELET} && systemctl restart kubelet")
        serving(machine, kubectl)

    return act


def kubelet_as_before(machine: Machine, kubectl: Kubectl) -> None:
    machine.run(f"mv {KUBELET}.kept {KUBELET} && systemctl restart kubelet")
    serving(machine, kubectl)


def serving(machine: Machine, kubectl: Kubectl) -> None:
    """Wait until the node's kubelet does its work: it answers, reports its handlers, and the node is Ready."""
    machine.run(
        "for i in $(seq 100); do curl -sk https://127.0.0.1:10250/healthz >/dev/null 2>&1 && break; "
        "ss -ltn | grep -q :10250 && break; sleep 0.1; done"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = kubectl.json("get", "node", machine.name)["status"]
        names = [each.get("name") for each in status.get("runtimeHandlers", ())]
        ready = [each["status"] for each in status["conditions"] if each["type"] == "Ready"]
        if ready == ["True"] and "runc" in names:
            return
        time.sleep(0.2)


def looping(name: str, command: str) -> Act:
    """Have another program on the node that does something again and again."""
    return on_node(f"systemd-run -q --unit={name} sh -c 'while :; do {command}; sleep 0.05; done'")


def stopped(name: str) -> Act:
    return on_node(f"systemctl stop {name}")


def spared_no_more(machine: Machine, kubectl: Kubectl) -> None:
    """Let the kernel kill what waits over its limit: nothing else ends it."""
    machine.run(f"systemctl stop spares; {to_pods('0', 'memory.oom_control')}")
    until(lambda: not kubectl.json(*PROOFS, f"--field-selector=spec.nodeName={machine.name}")["items"])


def handlers_forgotten(machine: Machine, kubectl: Kubectl) -> None:
    machine.run("systemctl stop kubelet")
    patch = '{"status": {"runtimeHandlers": [{"name": "runc"}]}}'
    kubectl("patch", "node", machine.name, "--subresource=status", "--type=merge", "-p", patch)


def kubelet_started(machine: Machine, kubectl: Kubectl) -> None:
    machine.run("systemctl start kubelet")
    serving(machine, kubectl)


def network_configured(machine: Machine, kubectl: Kubectl) -> None:
    # Written and not moved: containerd does not look at a file that was moved there.
    machine.run("cat /etc/cni/10-lab.conflist > /etc/cni/net.d/10-lab.conflist && rm /etc/cni/10-lab.conflist")
    serving(machine, kubectl)


def to_pods(value: str, file: str) -> str:
    """Write a value into the cgroups of all pods and their containers."""
    files = " ".join(f"{PODS}/{path}/{file}" for path in ("pod*", "*/pod*", "pod*/*", "*/pod*/*"))
    return f"for f in {files}; do echo {value} > $f; done"


def apiserver_with(edit: str) -> Act:
    """Restart the API server with its unit edited."""

    def act(_machine: Machine, kubectl: Kubectl) -> None:
        master = Machine("master")
        # By SIGTERM it would wait a minute for watches to end.
        kill = "systemctl kill --signal=KILL kube-apiserver"
        master.run(f"{edit}; systemctl daemon-reload; {kill}; systemctl restart kube-apiserver")
        until(lambda: kubectl.attempt("get", "--raw", "/readyz").returncode == 0)
        master.host.close()

    return act


def until(holds: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.3)


def policy(kind: str, name: str, spec: Mapping[str, object]) -> str:
    """Write an admission policy and what binds it."""
    parts = [
        {
            "apiVersion": POLICY,
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"failurePolicy": "Fail", **spec},
        },
        {
            "apiVersion": POLICY,
            "kind": f"{kind}Binding",
            "metadata": {"name": name},
            "spec": {"policyName": name} | ({"validationActions": ["Deny"]} if "Validating" in kind else {}),
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": parts})


def matching(operations: list[str], resource: str) -> dict[str, object]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}
    return {"matchConstraints": {"resourceRules": [rule]}}


NO_EXEC = policy(
    "ValidatingAdmissionPolicy",
    "no-exec",
    {
        **matching(["CONNECT"], "pods/exec"),
        "validations": [{"expression": "false", "message": "exec is forbidden"}],
    },
)
NO_CLASS = policy(
    "MutatingAdmissionPolicy",
    "no-class",
    {
        **matching(["CREATE"], "pods"),
        "reinvocationPolicy": "Never",
        "matchConditions": [{"name": "on-a-node", "expression": "has(object.spec.nodeName)"}],
        "mutations": [
            {
                "patchType": "JSONPatch",
                "jsonPatch": {
                    "expression": "[JSONPatch{op: 'remove', path: '/spec/runtimeClassName'}, "
                    "JSONPatch{op: 'remove', path: '/spec/overhead'}]"
                },
            }
        ],
    },
)


def forbid_exec(machine: Machine, kubectl: Kubectl) -> None:
    kubectl.pod("asks", machine.name, sandboxed=False)
    kubectl("apply", "-f", "-", stdin=NO_EXEC)
    until(lambda: kubectl.attempt("exec", "asks", "--", "true").returncode != 0)
    kubectl("delete", "pod", "asks", "--force")


def take_class_away(machine: Machine, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=NO_CLASS)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asks"},
        "spec": {
            "nodeName": machine.name,
            "runtimeClassName": CLASS,
            "containers": [{"name": "a", "image": "a"}],
        },
    }

    def is_taken() -> bool:
        said = kubectl.attempt("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod))
        return said.returncode == 0 and "runtimeClassName" not in json.loads(said.stdout)["spec"]

    until(is_taken)


def class_of_another_handler(_machine: Machine, kubectl: Kubectl) -> None:
    found = kubectl.json("get", "runtimeclass", CLASS)
    value = {**found, "handler": "runc", "metadata": {"name": CLASS, "labels": found["metadata"]["labels"]}}
    kubectl("delete", "runtimeclass", CLASS)
    kubectl("create", "-f", "-", stdin=json.dumps(value))


def table_edited(command: str) -> str:
    """Edit containerd's configuration and restart it, as somebody would who never heard of nodeprov."""
    return f"cp -p {CONFIG} {CONFIG}.kept; {command}; systemctl restart containerd"


RESTORED = f"mv {CONFIG}.kept {CONFIG}; systemctl restart containerd"
WITHOUT_TABLE = f"sed -i '/^# added by nodeprov/,$d' {CONFIG}"
PATCHED = ("patch", "runtimeclass", CLASS, "--type=json", "-p")

BREAKS = (
    Break(
        "receipt",
        "the receipts are lost",
        on_node("rm -r /var/lib/nodeprov/receipts"),
        "has no receipt",
        "= record (exists already)",
    ),
    Break(
        "current_generation",
        "the link `current` is removed",
        on_node(f"rm {CURRENT}"),
        "current is missing",
        "+ link /opt/nodeprov/handlers/runsc/current",
    ),
    Break(
        "current_generation",
        "an old generation is left as current",
        on_node(
            f"cd {HANDLER_FOLDER} && "
            "ln -sfn $(ls | grep -v current | grep -v $(readlink current) | head -n 1) current"
        ),
        "was installed last",
        "~ link /opt/nodeprov/handlers/runsc/current",
    ),
    Break(
        "runsc_toml",
        "a flag is put into runsc.toml by hand",
        on_node(f"echo 'debug = \"true\"' >> {CURRENT}/runsc.toml"),
        "runsc.toml is not as it was installed",
        "~ file /opt/nodeprov/handlers",
    ),
    Break(
        "generation_links",
        "a generation's link to the shim is removed",
        on_node(f"rm {CURRENT}/containerd-shim-runsc-v1"),
        "containerd-shim-runsc-v1 leads to nothing",
        "+ link /opt/nodeprov/handlers",
    ),
    Break(
        "release_files",
        "one byte of runsc is changed",
        on_node(f"printf X | dd of={CURRENT}/runsc bs=1 seek=4096 conv=notrunc 2>&1"),
        "/runsc is not the file that was installed",
        "replacing a damaged one",
    ),
    Break(
        "release_files",
        "the shim has a wrong mode",
        on_node(f"chmod 0700 $(readlink -f {CURRENT}/containerd-shim-runsc-v1)"),
        "has the mode 0700, not 0755",
        "replacing a damaged one",
    ),
    Break(
        "release_files",
        "a sidecar is removed",
        on_node(f"rm $(dirname $(readlink -f {CURRENT}/runsc))/gvisor-bin/gvisor_sentry"),
        "gvisor_sentry is missing",
        "replacing a damaged one",
    ),
    Break(
        "runsc_version",
        "the prefix is mounted so that nothing can be executed",
        on_node("mount --bind /opt/nodeprov /opt/nodeprov && mount -o remount,bind,noexec /opt/nodeprov"),
        "--version says",
        undo=on_node("umount /opt/nodeprov"),
    ),
    Break(
        "link_for_people",
        "the link on people's PATH is removed",
        on_node("rm /usr/local/bin/runsc"),
        "/usr/local/bin/runsc leads to nothing",
        "+ link /usr/local/bin/runsc",
    ),
    Break(
        "cri",
        "the default runtime is one that does not exist",
        on_node(
            table_edited(f"sed -i \"s|default_runtime_name = 'runc'|default_runtime_name = 'nope'|\" {CONFIG}")
        ),
        "no corresponding runtime configured",
        undo=on_node(RESTORED),
    ),
    Break(
        "config_table",
        "our table is gone and containerd was restarted",
        on_node(f"{WITHOUT_TABLE}; systemctl restart containerd"),
        "has no runtime runsc",
        '+[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]',
    ),
    Break(
        "effective_configuration",
        "a drop-in overrides our table",
        on_node(
            "mkdir -p /etc/containerd/conf.d && printf 'version = 3\\n"
            '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]\\n'
            'runtime_path = "/usr/bin/other"\\n\' > /etc/containerd/conf.d/99-other.toml'
        ),
        "/etc/containerd/conf.d/99-other.toml line 2 declares",
        undo=on_node("rm -r /etc/containerd/conf.d"),
    ),
    Break(
        "loaded",
        "containerd was started without our table, which is back in the file",
        on_node(f"{table_edited(WITHOUT_TABLE)}; sleep 1; mv {CONFIG}.kept {CONFIG}"),
        "was started with no table",
        "! restart containerd.service",
    ),
    Break(
        "sandbox",
        "no cgroup can be made",
        on_node(f"mount --bind {MEMORY} {MEMORY} && mount -o remount,bind,ro {MEMORY}"),
        "no sandbox runs through",
        undo=on_node(f"umount -l {MEMORY}"),
    ),
    Break(
        "label",
        "the label is removed",
        in_cluster("label", "node", "NODE", f"{LABEL}-"),
        f"the label {LABEL} is missing",
        f"+ label {LABEL} on node",
    ),
    Break(
        "reported_handler",
        "kubelet does not run, and reports no handler of ours",
        handlers_forgotten,
        "the handlers that it reports are runc",
        undo=kubelet_started,
    ),
    Break(
        "pod_runs",
        "the network of pods has no configuration",
        on_node("mv /etc/cni/net.d/10-lab.conflist /etc/cni/"),
        "is Pending, not Running",
        undo=network_configured,
        settings={"proof__timeout_seconds": "6"},
    ),
    Break(
        "pod_logs",
        "kubelet hands out no logs",
        kubelet_with("enableDebuggingHandlers: false"),
        "kubectl logs",
        undo=kubelet_as_before,
    ),
    Break(
        "pod_threads",
        "runsc was told to obey seccomp profiles",
        on_node("true"),
        "clone3 is forbidden with EPERM",
        settings={"runtime__flags": '{ oci-seccomp = "true" }'},
    ),
    Break(
        "pod_listens",
        "the node has no way to its pods",
        on_node("ip rule add pref 10 to $(ip -4 -o addr show cni0 | awk '{print $4}') blackhole"),
        "kubelet does not reach the pod",
        undo=on_node("ip rule del pref 10"),
    ),
    Break(
        "pod_cgroup",
        "runsc was told to leave cgroups alone",
        on_node("true"),
        "no process of the sandbox is in a cgroup of the pod",
        settings={"runtime__flags": '{ ignore-cgroups = "true" }'},
    ),
    Break(
        "pod_memory_limit",
        "another program takes the limits of pods away",
        looping("unlimits", to_pods("-1", "memory.limit_in_bytes")),
        "the cgroups around the sandbox allow",
        undo=stopped("unlimits"),
    ),
    Break(
        "pod_cpu_limit",
        "kubelet sets no CPU quota",
        kubelet_with("cpuCFSQuota: false"),
        "was not throttled",
        undo=kubelet_as_before,
    ),
    Break(
        "pod_memory_kill",
        "pods over their limit wait in place of being killed",
        looping("spares", to_pods("1", "memory.oom_control")),
        "a pod above its limit is still Running",
        undo=spared_no_more,
    ),
    Break(
        "runtime_class",
        "the RuntimeClass is deleted",
        in_cluster("delete", "runtimeclass", CLASS),
        f"there is no RuntimeClass {CLASS}",
        f"+ RuntimeClass {CLASS}",
    ),
    Break(
        "runtime_class",
        "the RuntimeClass names another handler",
        class_of_another_handler,
        "names the handler 'runc', not 'runsc'",
        undo=in_cluster("delete", "runtimeclass", CLASS),
    ),
    Break(
        "runtime_class_overhead",
        "the RuntimeClass has lost its overhead",
        in_cluster(*PATCHED, '[{"op": "remove", "path": "/overhead"}]'),
        "its overhead is None",
        f"~ RuntimeClass {CLASS}",
    ),
    Break(
        "runtime_class_scheduling",
        "the RuntimeClass has lost its nodeSelector",
        in_cluster(*PATCHED, '[{"op": "remove", "path": "/scheduling"}]'),
        "it has no nodeSelector",
        f"~ RuntimeClass {CLASS}",
    ),
    Break(
        "pod_admission",
        "the API server does not admit by RuntimeClass",
        apiserver_with(
            f"cp -p {APISERVER} /root/; "
            f"sed -i 's|^ExecStart=[^ ]*|& --disable-admission-plugins=RuntimeClass|' {APISERVER}"
        ),
        "enable the admission plugin RuntimeClass",
        undo=apiserver_with(f"mv /root/kube-apiserver.service {APISERVER}"),
    ),
    Break(
        "pod_is_sandboxed",
        "a policy takes the RuntimeClass away from pods",
        take_class_away,
        "the pod is not sandboxed",
        undo=in_cluster("delete", "-f", "-", stdin=NO_CLASS),
    ),
    Break(
        "pod_exec",
        "a policy forbids exec",
        forbid_exec,
        "exec is forbidden",
        undo=in_cluster("delete", "-f", "-", stdin=NO_EXEC),
    ),
)
