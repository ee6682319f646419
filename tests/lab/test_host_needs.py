"""What stands against an install on a real node is seen before anything is touched, by plan and by doctor."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.machines import CONFIG, WORKER, Kubectl, Machine, eventually
from tests.lab.running import installed, nodeprov, refused
from tests.support.sampling import by_turns

pytestmark = by_turns


@contextmanager
def acted(machine: Machine, act: str, undo: str) -> Iterator[None]:
    """Have something be wrong on a node for a while."""
    machine.run(act)
    try:
        yield
    finally:
        machine.run(undo)


def stands_against(machine: Machine, said: str, *arguments: str) -> None:
    """See that doctor and an install say it, and that nothing was touched."""
    before = machine.listing(), machine.pid()
    examined = nodeprov("doctor", WORKER, "--json", *arguments)
    assert examined.returncode == 1, examined.stdout + examined.stderr
    against = [each for each in json.loads(examined.stdout)["findings"] if each["severity"] == "against"]
    assert any(said in each["what"] for each in against), examined.stdout
    refused(nodeprov("install", WORKER, "--yes", *arguments), said)
    assert (machine.listing(), machine.pid()) == before


def findings(*arguments: str) -> list[dict[str, str]]:
    """What doctor finds."""
    found: list[dict[str, str]] = json.loads(nodeprov("doctor", WORKER, "--json", *arguments).stdout)["findings"]
    return found


def ready(kubectl: Kubectl) -> None:
    """Wait until the cluster has the node ready again."""
    with eventually() as more:
        while kubectl.attempt("wait", "--for=condition=Ready", f"node/{WORKER}", "--timeout=2s").returncode:
            assert more()


@pytest.mark.trouble("kubelet does not run", "refused by doctor and install, nothing is touched")
def test_a_kubelet_that_does_not_run(worker: Machine, kubectl: Kubectl) -> None:
    with acted(worker, "systemctl stop kubelet", "systemctl start kubelet"):
        stands_against(worker, "kubelet does not run on this node")
    ready(kubectl)


@pytest.mark.trouble(
    "containerd drives cgroups by systemd, the kubelet that runs by cgroupfs",
    "refused by doctor and install, nothing is touched",
)
def test_a_kubelet_that_drives_cgroups_in_another_way_than_containerd(worker: Machine) -> None:
    worker.run(f"sed -i 's/SystemdCgroup = false/SystemdCgroup = true/' {CONFIG} && systemctl restart containerd")
    stands_against(worker, "the running kubelet manages cgroups by cgroupfs, and containerd's default runtime")


@pytest.mark.trouble("config.toml is a mount of its own", "refused by doctor and install, nothing is touched")
def test_a_configuration_that_no_rename_can_replace(worker: Machine) -> None:
    with acted(worker, f"mount --bind {CONFIG} {CONFIG}", f"umount {CONFIG}"):
        stands_against(worker, f"{CONFIG} is a mount of its own")


@pytest.mark.trouble(
    "the kernel is set against sandboxes: memfd_noexec, namespaces",
    "refused by doctor and install, nothing is touched",
)
@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("/proc/sys/vm/memfd_noexec", "2", "vm.memfd_noexec is 2"),
        ("/proc/sys/user/max_user_namespaces", "1", "user.max_user_namespaces is 1"),
        ("/proc/sys/user/max_net_namespaces", "0", "user.max_net_namespaces is 0"),
    ],
)
def test_a_kernel_that_is_set_against_sandboxes(worker: Machine, path: str, value: str, said: str) -> None:
    """The kernel is the host's, and its settings are played by a file that is mounted over each."""
    with acted(worker, f"echo {value} > /srv/played && mount --bind /srv/played {path}", f"umount {path}"):
        stands_against(worker, said)


@pytest.mark.trouble(
    "another runtime has cgroup_writable on cgroup v1, and containerd was not restarted",
    "refused by doctor and install, nothing is touched",
)
def test_a_runtime_for_which_the_cri_plugin_would_not_start_again(worker: Machine) -> None:
    """Nobody has restarted containerd since: it serves."""
    worker.run(f"sed -i 's/cgroup_writable = false/cgroup_writable = true/' {CONFIG}")
    stands_against(worker, "runtime runc has cgroup_writable = true, which needs cgroup v2")


@pytest.mark.trouble(
    "[runtime.flags] has a flag, or a value, that the release does not take",
    "refused by plan and install in runsc's words, nothing is touched",
)
@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ('nosuch="1"', "flag provided but not defined: -nosuch"),
        ('network="foo"', 'invalid value "foo" for flag -network'),
        ('debug="maybe"', 'invalid boolean value "maybe" for -debug'),
    ],
)
def test_a_flag_that_the_release_does_not_take(worker: Machine, flag: str, said: str) -> None:
    before = worker.listing(), worker.pid()
    wanted = ("--set", f"runtime.flags={{ {flag} }}")
    refused(nodeprov("plan", WORKER, *wanted), "does not take [runtime.flags]", said)
    refused(nodeprov("install", WORKER, "--yes", *wanted), said)
    assert (worker.listing(), worker.pid()) == before


@pytest.mark.trouble("the prefix is on a tmpfs", "a warning of plan and doctor")
def test_a_folder_that_a_reboot_forgets_is_told_of(worker: Machine) -> None:
    with acted(worker, "mount -t tmpfs -o mode=0755 tmpfs /srv", "umount /srv"):
        wanted = ("--set", "paths.prefix=/srv/nodeprov")
        planned, examined = nodeprov("plan", WORKER, *wanted), nodeprov("doctor", WORKER, *wanted)
    said = "[paths] prefix, /srv/nodeprov, is on /srv (tmpfs), which a reboot forgets"
    assert said in planned.stdout, planned.stdout + planned.stderr
    assert said in examined.stdout


@pytest.mark.trouble("the node has a NoExecute taint", "the proof's pod tolerates it, installed")
def test_a_taint_that_ends_pods_does_not_end_the_proof(worker: Machine, kubectl: Kubectl) -> None:
    kubectl("taint", "node", WORKER, "dedicated=lab:NoExecute")
    try:
        installed(WORKER)
    finally:
        kubectl("taint", "node", WORKER, "dedicated-")
    worker.serves()


QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods", "namespace": "default"},
    "spec": {"hard": {"pods": "0"}},
}


@pytest.mark.trouble("a quota refuses the proof's pod", "refused by doctor and install, nothing is touched")
def test_a_cluster_that_refuses_the_pod(worker: Machine, kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(QUOTA))
    try:
        with eventually() as more:
            while "hard" not in kubectl.json("get", "quota", "no-pods", "-n=default").get("status", {}):
                assert more()
        stands_against(worker, "the cluster refuses the pod that proves the runtime")
    finally:
        kubectl("delete", "quota", "no-pods", "-n=default")


def policy(expression: str) -> str:
    """A MutatingAdmissionPolicy for the proof's pods of the node, and its binding."""
    name = {"name": f"change-proofs-{WORKER}"}
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    version = "admissionregistration.k8s.io/v1"
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "resourceRules": rules,
            "objectSelector": {"matchLabels": {"app.kubernetes.io/component": "proof"}},
        },
        "matchConditions": [{"name": "of-this-node", "expression": f'object.spec.nodeName == "{WORKER}"'}],
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    }
    items = [
        {"apiVersion": version, "kind": "MutatingAdmissionPolicy", "metadata": name, "spec": spec},
        {
            "apiVersion": version,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": name,
            "spec": {"policyName": name["name"]},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@contextmanager
def policed(kubectl: Kubectl, expression: str, said: str) -> Iterator[None]:
    """Have the cluster change the proof's pods, and wait until it does."""
    kubectl("create", "-f", "-", stdin=policy(expression))
    try:
        with eventually() as more:
            while not any(said in each["what"] for each in findings()):
                assert more()
        yield
    finally:
        for kind in ("mutatingadmissionpolicybinding", "mutatingadmissionpolicy"):
            kubectl("delete", kind, f"change-proofs-{WORKER}")


IN_CONTAINER = 'Object{{spec: Object.spec{{containers: [Object.spec.containers{{name: "proof", {0}}}]}}}}'


@pytest.mark.trouble("a policy has images pulled always", "refused by doctor and install, nothing is touched")
def test_a_policy_that_has_images_pulled_always(worker: Machine, kubectl: Kubectl) -> None:
    said = 'imagePullPolicy: "Never" became "Always"'
    with policed(kubectl, IN_CONTAINER.format('imagePullPolicy: "Always"'), said):
        stands_against(worker, said)


@pytest.mark.trouble("a policy changes the proof's pod in what does not matter", "named, installed")
def test_a_policy_that_changes_what_does_not_matter_is_named(worker: Machine, kubectl: Kubectl) -> None:
    said = "spec.containers[proof].workingDir was added"
    with policed(kubectl, IN_CONTAINER.format('workingDir: "/"'), said):
        ended = installed(WORKER)
        assert said in ended.stdout, ended.stdout
