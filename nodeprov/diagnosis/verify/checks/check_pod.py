"""A pod of the RuntimeClass is sandboxed, and its limits hold it."""

from nodeprov.diagnosis.verify.subject import Subject, because, cgroups_of, needs, skip
from nodeprov.hosts.base import Place
from nodeprov.kubernetes.admission import POD_CPU, POD_MEMORY
from nodeprov.kubernetes.images import ProofImage
from nodeprov.kubernetes.pod_cgroups import PodCgroups, PodKillsQuery, PodSlice, is_pods_own
from nodeprov.kubernetes.proof_pods import Pod, Prover
from nodeprov.kubernetes.quantities import canonical, parse_quantity
from nodeprov.kubernetes.runtime_class import wanted_runtime_class

THREADS = 64
BURN_SECONDS = 1
TOO_MUCH_MEBIBYTES = 512
PATIENCE = 1 / 8
"""The part of [proof] timeout_seconds that a pod which runs already may take for anything."""


@needs("runtime_class_overhead", "runtime_class_scheduling")
def check_pod_admission(subject: Subject, prover: Prover, image: ProofImage) -> None:
    """The cluster gives pods of the RuntimeClass its nodeSelector and its overhead."""
    spec = prover.admitted(image)["spec"]
    wanted = wanted_runtime_class(subject.state.settings).value
    selector = wanted["scheduling"]["nodeSelector"]
    overhead = wanted.get("overhead", {}).get("podFixed", {})
    found = {name: canonical(str(each)) for name, each in spec.get("overhead", {}).items()}
    remedy = "enable the admission plugin RuntimeClass of kube-apiserver (it is by default)"
    assert selector.items() <= spec.get("nodeSelector", {}).items(), because(
        f"a pod got the nodeSelector {spec.get('nodeSelector')}, not {selector}", remedy
    )
    assert found == overhead, because(f"a pod got the overhead {found}, not {overhead}", remedy)


@needs("sandbox", "label", "reported_handler", "pod_admission")
def check_pod_runs(pod: Pod) -> None:
    """A pod of the RuntimeClass runs on the node."""
    assert pod.phase() == "Running", because(
        f"it is {pod.phase()} now: {pod.trouble()}", "look at the node's load"
    )


@needs("pod_runs")
def check_pod_logs(subject: Subject, pod: Pod) -> None:
    """What the pod prints can be read by kubectl logs."""
    assert pod.prints("version: ", patience(subject)), because(
        f"kubectl logs prints {pod.log()[:80]!r} and not what the pod has printed",
        "look at /var/log/pods on the node, and who else works there",
    )


@needs("pod_logs")
def check_pod_is_sandboxed(subject: Subject, pod: Pod) -> None:
    """The pod's kernel is {kernel}."""
    said = pod.log()
    version = said.partition("version: ")[2].split("\n")[0]
    assert subject.family.kernel_line(said), because(
        f"its kernel is {version!r}, which is not {subject.family.name}'s: the pod is not sandboxed",
        "see what changes pods on their way: kubectl get mutatingwebhookconfigurations,mutatingadmissionpolicies",
    )


@needs("pod_is_sandboxed")
def check_pod_exec(pod: Pod) -> None:
    """A command can be run in the pod by kubectl exec."""
    output = pod.probe("kernel")
    assert "version: " in output.text, because(
        f"kubectl exec fails: {output.said}",
        "may this kubeconfig create pods/exec? see: kubectl get validatingadmissionpolicies",
    )


@needs("pod_exec")
def check_pod_threads(subject: Subject, pod: Pod) -> None:
    """Threads work in the pod under the seccomp profile RuntimeDefault."""
    output = pod.probe("threads", str(THREADS))
    assert f"threads: {THREADS}" in output.text, because(
        f"{THREADS} threads cannot be started: {output.said}",
        subject.hint("pod_threads", "look at kubelet's podPidsLimit"),
    )


@needs("pod_is_sandboxed")
def check_pod_listens(subject: Subject, pod: Pod) -> None:
    """A port on which the pod listens is reached from the node (kubelet's readiness probe)."""
    assert pod.becomes_ready(patience(subject)), because(
        f"kubelet does not reach the pod: {pod.trouble()}", "look at the node's routes and firewall towards pods"
    )


@needs("pod_is_sandboxed")
def check_pod_cgroup(subject: Subject, cgroups: PodCgroups) -> None:
    """The sandbox process is in a cgroup of the pod."""
    assert cgroups.sandboxes, because(
        "no process of the sandbox is in a cgroup of the pod: its limits hold nothing",
        subject.hint("pod_cgroup", "see kubelet's cgroupDriver"),
    )


@needs("pod_cgroup")
def check_pod_memory_limit(subject: Subject, cgroups: PodCgroups) -> None:
    """A cgroup around the sandbox allows the pod's limit and the overhead, and no more."""
    wanted = memory_limit(subject)
    found = cgroups.memory_limits
    said = f"allow {found} bytes, and not {wanted}" if found else f"have no limit, and not one of {wanted} bytes"
    assert min(found, default=0) == wanted, because(
        f"the cgroups around the sandbox {said}",
        subject.hint(
            "pod_memory_limit", "see cgroupsPerQOS and cgroupDriver of kubelet, and who else sets limits"
        ),
    )


@needs("pod_memory_limit")
def check_pod_slice(subject: Subject, cgroups: PodCgroups) -> None:
    """The pod's limit is set on the pod's own slice, above the sandbox's scope (cgroup v2)."""
    pods = own_slice(cgroups)
    assert pods.memory_limit == memory_limit(subject), because(
        f"the pod's own cgroup allows {pods.memory_limit} bytes, and not {memory_limit(subject)}",
        "look at kubelet's cgroupsPerQOS, and who else writes to the pods' cgroups",
    )


@needs("pod_cgroup", "pod_exec")
def check_pod_cpu_limit(subject: Subject, pod: Pod, cgroups: PodCgroups) -> None:
    """More CPU than the pod's limit is throttled."""
    pod.execute("cpu", str(BURN_SECONDS))
    after = cgroups_of(subject, pod)
    assert after.throttled > cgroups.throttled, because(
        f"a pod with a limit of {POD_CPU} used two CPUs for {BURN_SECONDS} s and was not throttled "
        f"(quotas around it: {after.cpu_quotas or 'none'})",
        "set cpuCFSQuota to true in kubelet's configuration (it is by default)",
    )


@needs("pod_cpu_limit")
def check_pod_slice_throttled(subject: Subject, pod: Pod, cgroups: PodCgroups) -> None:
    """The pod's own slice throttles its CPU (cgroup v2)."""
    before, after = own_slice(cgroups), own_slice(cgroups_of(subject, pod))
    assert after.throttled > before.throttled, because(
        f"the pod's own cgroup has the quota {after.cpu_quota}, and has throttled nothing",
        "look at who else writes to the pods' cgroups",
    )


@needs("pod_memory_limit", "pod_exec")
def check_pod_memory_kill(subject: Subject, pod: Pod) -> None:
    """A pod that takes more memory than its limit is killed."""
    output = pod.probe("memory", str(TOO_MUCH_MEBIBYTES), timeout_seconds=patience(subject))
    assert "filled" not in output.text, because(
        f"a pod with a limit of {POD_MEMORY} took {TOO_MUCH_MEBIBYTES} MiB", "look at the node's cgroups"
    )
    if not subject.family.inspection.has_process:
        return  # the kernel kills the program alone, and the pod goes on
    assert pod.comes_to("Failed", patience(subject)), because(
        f"a pod above its limit is still {pod.phase()}: {output.said}",
        "look at memory.oom_control of the pods' cgroups, and journalctl -k, on the node",
    )


@needs("pod_memory_kill", "pod_slice")
def check_pod_slice_kill(subject: Subject, pod: Pod, cgroups: PodCgroups) -> None:
    """The kernel kills by the limit of the pod's own slice (cgroup v2)."""
    own_slice(cgroups)
    killers = subject.hosts[Place.NODE].ask([PodKillsQuery(pod.uid)])[0]
    said = ", ".join(killers) or "no cgroup of the pod"
    assert any(is_pods_own(path, pod.uid) for path in killers), because(
        f"by the kernel's log the limit that had it killed is that of {said}", "dmesg on the node: oom-kill"
    )


def memory_limit(subject: Subject) -> int:
    """Return how many bytes a pod of ours may have, its overhead included."""
    overhead = subject.state.settings.runtime_class.overhead.get("memory", "0")
    return int(parse_quantity(POD_MEMORY) + parse_quantity(overhead))


def own_slice(cgroups: PodCgroups) -> PodSlice:
    """Return the pod's own cgroup; there is a sandbox in it, since another check has passed."""
    if cgroups.slice is None:
        skip("this node has cgroup v1")
    return cgroups.slice


def patience(subject: Subject) -> float:
    """Return how many seconds a pod that runs already may take for anything."""
    return subject.state.settings.proof.timeout_seconds * PATIENCE
