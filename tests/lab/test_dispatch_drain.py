"""The cluster drains its nodes before their restart: pods keep serving, budgets hold, and no cordon stays."""

from __future__ import annotations

import json
import signal

from tests.lab.dispatching import NODES, Site
from tests.lab.machines import IMAGE, WORKER, Kubectl, Machine, eventually
from tests.lab.serving import ASKED, cordoned, forbid_evictions, pods_of
from tests.support.sampling import by_turns

pytestmark = by_turns


def uids(kubectl: Kubectl, app: str) -> set[str]:
    return {pod["metadata"]["uid"] for pods in pods_of(kubectl, app).values() for pod in pods}


def marks(kubectl: Kubectl) -> list[str]:
    """Name what a drain has left on nodes."""
    nodes = [kubectl.json("get", "node", name) for name in NODES]
    ours = ("nodeprov.io/draining", "nodeprov.io/waiting", "nodeprov.io/cordoned", "nodeprov.io/claimed")
    found = [{**each["metadata"]["annotations"], **each["metadata"]["labels"]} for each in nodes]
    return [key for each in found for key in ours if key in each]


def test_pods_keep_serving_while_the_cluster_drains_its_nodes(
    site: Site, served: Machine, kubectl: Kubectl
) -> None:
    before, agents = uids(kubectl, "served"), uids(kubectl, "agent")
    answers, master = [], Machine("master")
    with site.started("run", *site.images, "--drain", "--yes", "--json") as running:
        while running.process.poll() is None:
            answers.append(int(master.run(ASKED)))
        ended = running.end()
    master.host.close()
    assert ended.returncode == 0, ended.stdout + ended.stderr + site.trouble()
    assert len(answers) > 10
    assert min(answers) >= 1
    assert not before & uids(kubectl, "served"), "a pod was not evicted from a node that was drained"
    assert uids(kubectl, "agent") == agents
    assert (cordoned(kubectl), marks(kubectl), site.labelled()) == ([], [], list(NODES))
    again = site.command("run", "--drain", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["outcomes"]) == (0, []), again.stderr


def test_a_dispatcher_that_is_killed_while_a_budget_holds_it_up_leaves_no_cordon_after_the_next_run(
    site: Site, served: Machine, kubectl: Kubectl
) -> None:
    forbid_evictions(kubectl)
    before = uids(kubectl, "served")
    with site.started("run", *site.images, "--drain", "--yes", "--json") as running:
        running.wait_for("its PodDisruptionBudget forbids it")
        running.process.kill()
        running.end()
    assert cordoned(kubectl)
    kubectl("patch", "pdb", "served", "--type=merge", "--patch", '{"spec": {"minAvailable": 1}}')
    ended = site.command("run", "--drain", "--yes", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr + site.trouble()
    with eventually() as more:
        while before & uids(kubectl, "served"):
            assert more()
    assert (cordoned(kubectl), marks(kubectl), site.labelled()) == ([], [], list(NODES))


def test_an_interrupted_run_gives_back_the_nodes_from_which_pods_have_not_left(
    site: Site, served: Machine, kubectl: Kubectl
) -> None:
    forbid_evictions(kubectl)
    before, process = uids(kubectl, "served"), served.pid()
    with site.started("run", *site.images, "--drain", "--yes", "--json") as running:
        running.wait_for("its PodDisruptionBudget forbids it")
        assert cordoned(kubectl)
        running.process.send_signal(signal.SIGINT)
        ended = running.end()
    assert ended.returncode == 1, ended.stdout + ended.stderr + site.trouble()
    came = json.loads(ended.stdout)
    assert (came["given_back"], came["not_given_back"], came["cordoned"]) == (list(NODES), [], [])
    assert "given back, for nothing has restarted there: " in ended.stderr
    assert (cordoned(kubectl), marks(kubectl), site.labelled()) == ([], [], [])
    assert (uids(kubectl, "served"), served.pid()) == (before, process)
    kubectl("patch", "pdb", "served", "--type=merge", "--patch", '{"spec": {"minAvailable": 1}}')
    again = site.command("run", "--drain", "--yes", "--json")
    assert again.returncode == 0, again.stdout + again.stderr + site.trouble()
    assert (cordoned(kubectl), marks(kubectl), site.labelled()) == ([], [], list(NODES))


UNTIL_IT_IS_TOLD = """
apiVersion: batch/v1
kind: Job
metadata: {{name: long}}
spec:
  template:
    metadata: {{labels: {{app: batch, made-by: tests}}}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      nodeSelector: {{kubernetes.io/hostname: {node}}}
      containers:
        - name: main
          image: {image}
          imagePullPolicy: Never
          command: [sh, -c, "until [ -e /tmp/end ]; do sleep 0.2; done"]
          resources: {{requests: {{memory: 8Mi, cpu: 5m}}}}
"""


def test_a_job_ends_by_itself_before_the_cluster_restarts_containerd_under_it(
    site: Site, worker: Machine, kubectl: Kubectl
) -> None:
    kubectl("apply", "-f", "-", stdin=UNTIL_IT_IS_TOLD.format(node=WORKER, image=IMAGE))
    try:
        kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=batch", "--timeout=60s")
        [pod] = kubectl.json("get", "pods", "-l", "app=batch")["items"]
        name, process = pod["metadata"]["name"], worker.pid()
        waits = ("--set", "rollout.wait_for=app=batch", "--yes", "--json")
        with site.started("run", *site.images, *waits) as running:
            running.wait_for(f"{WORKER}: waits for pods to end: {pod['metadata']['namespace']}/{name}")
            assert WORKER in cordoned(kubectl)
            assert worker.pid() == process
            kubectl("exec", name, "--", "touch", "/tmp/end")
            ended = running.end()
        assert ended.returncode == 0, ended.stdout + ended.stderr + site.trouble()
        assert worker.pid() != process
        status = kubectl.json("get", "job", "long")["status"]
        assert (status.get("succeeded"), status.get("failed", 0)) == (1, 0)
        assert (cordoned(kubectl), marks(kubectl), site.labelled()) == ([], [], list(NODES))
    finally:
        kubectl("delete", "job", "long", "--ignore-not-found", "--now")
