"""containerd as it is found in the field: more than one on a node, and as distributions start it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import WORKER, Machine
from tests.lab.replicas import EDGE, REPLICAS, SECOND_CONTAINERD, Replica
from tests.lab.running import installed, nodeprov
from tests.support.sampling import by_turns

pytestmark = by_turns


@pytest.fixture
def second(worker: Machine) -> Iterator[Machine]:
    """A node on which a second containerd runs, as Docker's or somebody's own would."""
    worker.run(SECOND_CONTAINERD)
    yield worker
    worker.run(
        "systemctl stop second-containerd; systemctl start kubelet; umount -R /srv/second/* 2>/dev/null; true"
    )


class TestTwoContainerds:
    def test_the_one_that_kubelet_talks_to_is_chosen_and_the_plan_says_why(self, second: Machine) -> None:
        planned = nodeprov("plan", WORKER)
        assert planned.returncode == 3, planned.stderr
        assert "! restart containerd.service" in planned.stdout
        assert (
            "note: containerd: containerd.service at /run/containerd/containerd.sock, for kubelet talks to it "
            "(its configuration says so); left alone: second-containerd.service at /srv/second/containerd.sock"
        ) in planned.stdout

    def test_a_setting_chooses_the_other(self, second: Machine) -> None:
        planned = nodeprov("plan", WORKER, "--set", "containerd.socket=/srv/second/containerd.sock")
        assert planned.returncode == 3, planned.stderr
        assert "~ file /srv/second/config.toml" in planned.stdout
        assert "! restart second-containerd.service" in planned.stdout

    def test_while_no_kubelet_runs_the_setting_is_asked_for(self, second: Machine) -> None:
        second.run("systemctl stop kubelet")
        planned = nodeprov("plan", WORKER)
        assert planned.returncode == 1
        assert "2 containerds run (containerd.service at " in planned.stderr
        assert "and no kubelet runs that would show it" in planned.stderr
        assert (
            'hint: set the one that runs the pods, such as [containerd] unit = "containerd.service"'
            in planned.stderr
        )


@pytest.fixture(params=REPLICAS, ids=lambda each: each.name)
def replica(request: pytest.FixtureRequest, worker: Machine) -> Iterator[Replica]:
    """A distribution in the place of the lab's own containerd and kubelet."""
    found: Replica = request.param
    found.start(worker)
    yield found
    found.end(worker)


def files(machine: Machine, replica: Replica) -> str:
    """Describe what the distribution makes its configuration of, and what it has made."""
    return machine.run(f"cd {replica.folder} && find -L . -type f -exec sha256sum {{}} + | sort")


class TestReplicas:
    @pytest.mark.rotates(4)
    def test_install_verify_and_uninstall_edit_only_what_may_be_edited(
        self, worker: Machine, replica: Replica
    ) -> None:
        before = files(worker, replica)
        planned = nodeprov("plan", WORKER)
        assert f"note: distribution: {replica.name}: {replica.edited} is edited " in planned.stdout, planned
        assert f"! restart {replica.unit}.service" in planned.stdout
        done = installed(WORKER)
        assert f"{replica.name} has made {replica.config} with our table" in done.stdout
        assert "handlers/runsc/current/containerd-shim-runsc-v1" in worker.run(f"cat {replica.edited}")
        again = nodeprov("plan", WORKER)
        assert (again.returncode, "nothing to do" in again.stdout) == (0, True), again
        worker.run(f"systemctl restart {replica.unit}")
        again = nodeprov("plan", WORKER)
        assert (again.returncode, "nothing to do" in again.stdout) == (0, True), again
        verified = nodeprov("verify", WORKER, "--quiet")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        gone = nodeprov("uninstall", WORKER, "--yes")
        assert gone.returncode == 0, gone.stdout + gone.stderr
        assert files(worker, replica) == before

    @pytest.mark.parametrize("replica", REPLICAS[2:], ids=["k0s", "MicroK8s"], indirect=True)
    def test_what_kubelet_says_is_in_the_archive_for_a_bug_report(
        self, worker: Machine, replica: Replica, tmp_path: Path
    ) -> None:
        if replica.name == "MicroK8s":  # its kubelet has a unit of its own, the replica's has not
            worker.run("systemd-run --wait --unit=snap.microk8s.daemon-kubelite echo I am kubelet")
        path = tmp_path / "support.tar.gz"
        ended = nodeprov("support", WORKER, "--out", str(path))
        assert ended.returncode == 0, ended.stderr
        with tarfile.open(path) as archive:
            assert f"nodeprov-support-{WORKER}/journal/kubelet.txt" in archive.getnames(), ended.stdout

    @pytest.mark.parametrize("replica", [EDGE], ids=["k3s-edge"], indirect=True)
    def test_a_unit_of_its_own_name_with_another_folder_of_data_is_known(
        self, worker: Machine, replica: Replica
    ) -> None:
        before = files(worker, replica)
        done = installed(WORKER)
        assert f"note: distribution: k3s: {replica.edited} is edited as a Go template" in done.stdout
        assert "handlers/runsc/current/containerd-shim-runsc-v1" in worker.run(f"cat {replica.edited}")
        worker.run(f"systemctl restart {replica.unit}")
        again = nodeprov("plan", WORKER)
        assert (again.returncode, "nothing to do" in again.stdout) == (0, True), again
        gone = nodeprov("uninstall", WORKER, "--yes")
        assert gone.returncode == 0, gone.stdout + gone.stderr
        assert files(worker, replica) == before

    @pytest.mark.parametrize("replica", [REPLICAS[0], REPLICAS[3]], ids=["k3s", "MicroK8s"], indirect=True)
    def test_a_template_without_version_keeps_every_runtime_each_time(
        self, worker: Machine, replica: Replica
    ) -> None:
        """Of 30 dumps 29 had lost somebody's: containerd takes one of two sections as a map of Go falls out."""
        section = "cri" if replica.name == "k3s" else '"io.containerd.grpc.v1.cri"'
        template = f"{replica.folder}/config.toml.tmpl" if replica.name == "k3s" else replica.edited
        theirs = f'[plugins.{section}.containerd.runtimes.other]\nruntime_type = "io.containerd.runc.v2"\n'
        worker.host.sh(f"cat > {template}", stdin=theirs.encode())
        worker.run(f"systemctl restart {replica.unit}")
        done = nodeprov("install", WORKER, "--yes", "--set", "cluster.enabled=false")
        assert done.returncode == 0, done.stdout + done.stderr
        assert worker.run(f"cat {template}").startswith(theirs)
        dump = f"containerd -c {replica.config} config dump | grep -cE 'runtimes\\.(other|runsc)\\]'"
        counted = worker.run(f"for each in $(seq 30); do {dump}; done | sort | uniq -c").split()
        assert counted == ["30", "2"], worker.run(f"cat {replica.config}")
        gone = nodeprov("uninstall", WORKER, "--yes", "--set", "cluster.enabled=false")
        assert gone.returncode == 0, gone.stdout + gone.stderr
        assert worker.run(f"cat {template}") == theirs

    @pytest.mark.parametrize("replica", REPLICAS[:1], ids=["k3s"], indirect=True)
    def test_a_template_that_the_distribution_does_not_heed_is_taken_back(
        self, worker: Machine, replica: Replica
    ) -> None:
        before = files(worker, replica)
        worker.run("touch /srv/replica/deaf")
        ended = nodeprov("install", WORKER, "--yes")
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert f"{replica.edited} was edited, and yet {replica.config} names no runtime runsc" in ended.stderr
        assert "the node is as before" in ended.stderr
        assert files(worker, replica) == before

    @pytest.mark.parametrize("replica", REPLICAS[:1], ids=["k3s"], indirect=True)
    def test_a_template_of_others_gets_it_back_as_it_was(self, worker: Machine, replica: Replica) -> None:
        runtimes = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes'
        theirs = (
            f'{{{{ template "base" . }}}}\n\n[{runtimes}.own]\n  runtime_type = "io.containerd.runc.v2" # ours\n'
        )
        worker.host.sh(f"cat > {replica.edited}; chmod 0600 {replica.edited}", stdin=theirs.encode())
        worker.run(f"systemctl restart {replica.unit}")
        before = files(worker, replica)
        installed(WORKER)
        assert worker.run(f"cat {replica.edited}").startswith(theirs)
        assert worker.run(f"stat -c %a {replica.edited}") == "600\n"
        gone = nodeprov("uninstall", WORKER, "--yes")
        assert gone.returncode == 0, gone.stdout + gone.stderr
        assert files(worker, replica) == before

    @pytest.mark.parametrize("replica", REPLICAS[:2], ids=["k3s", "RKE2"], indirect=True)
    @pytest.mark.parametrize(
        "template",
        ['imports = ["/etc/x.toml"]\n{{ template "base" . }}\n', 'imports = ["/etc/x.toml"]\nversion = 3\n'],
    )
    @pytest.mark.trouble(
        "a template of k3s or RKE2 was edited and the service not restarted",
        "refused unless --activate-pending says that it is wanted",
    )
    def test_a_template_that_nobody_has_restarted_for_is_refused(
        self, worker: Machine, replica: Replica, template: str
    ) -> None:
        worker.host.sh(f"cat > {replica.edited}", stdin=template.encode())
        before, pid = files(worker, replica), worker.run(f"systemctl show {replica.unit} -p MainPID --value")
        for command in (("doctor", WORKER), ("plan", WORKER), ("install", WORKER, "--yes")):
            ended = nodeprov(*command, "--json")
            assert ended.returncode == 1, (command, ended)
            assert f"{replica.edited} was changed after containerd started" in ended.stdout, (command, ended)
            assert "--activate-pending" in ended.stdout, (command, ended)
        assert files(worker, replica) == before
        assert worker.run(f"systemctl show {replica.unit} -p MainPID --value") == pid

    @pytest.mark.parametrize("replica", REPLICAS[1:2], ids=["RKE2"], indirect=True)
    @pytest.mark.trouble(
        "the file that k3s or RKE2 renders was edited by hand",
        "plan and doctor say that the next restart loses the edit",
    )
    def test_an_edit_of_what_is_rendered_is_said_to_be_lost_and_is(
        self, worker: Machine, replica: Replica
    ) -> None:
        worker.run(f"sleep 1; echo '# by hand' >> {replica.config}")
        lost = f"an edit of {replica.config}, which RKE2 makes anew at each start"
        planned = nodeprov("plan", WORKER)
        assert planned.returncode == 3, planned
        assert f"loses: {lost}" in planned.stdout, planned.stdout
        assert "brings into force" not in planned.stdout
        assert (
            f"the next restart of {replica.unit}.service loses {lost}"
            in nodeprov("doctor", WORKER, "--json").stdout
        )
        installed(WORKER)
        assert "by hand" not in worker.run(f"cat {replica.config}")
        assert nodeprov("uninstall", WORKER, "--yes").returncode == 0

    @pytest.mark.parametrize("replica", REPLICAS[:1], ids=["k3s"], indirect=True)
    @pytest.mark.trouble(
        "k3s makes another configuration in a rollback than it had made before",
        "what differs is named, exit code 4",
    )
    def test_a_rollback_that_makes_another_file_than_before_is_named(
        self, worker: Machine, replica: Replica
    ) -> None:
        worker.run("touch /srv/replica/deaf; echo '# another argument of k3s' >> /srv/replica/base.toml")
        ended = nodeprov("install", WORKER, "--yes")
        assert ended.returncode == 4, ended
        assert f"{replica.config} is not as before: k3s has made it again" in ended.stdout + ended.stderr, ended
        assert "the node is as before" not in ended.stderr

    @pytest.mark.parametrize("replica", REPLICAS[2:3], ids=["k0s"], indirect=True)
    @pytest.mark.parametrize(
        ("text", "said"),
        [("version = 2\n", "states version 2"), ("version = 3\n[plugins\n", "not valid TOML")],
        ids=["version 2", "no TOML"],
    )
    @pytest.mark.trouble(
        "a file in k0s' containerd.d with which k0s does not start", "named with its place, nothing is touched"
    )
    def test_another_drop_in_that_k0s_does_not_start_with_is_named_before(
        self, worker: Machine, replica: Replica, text: str, said: str
    ) -> None:
        worker.host.sh("cat > /etc/k0s/containerd.d/nvidia.toml", stdin=text.encode())
        pid = worker.run(f"systemctl show {replica.unit} -p MainPID --value")
        for command in (("doctor", WORKER), ("plan", WORKER), ("install", WORKER, "--yes")):
            ended = nodeprov(*command, "--json")
            assert ended.returncode == 1, (command, ended)
            assert "/etc/k0s/containerd.d/nvidia.toml" in ended.stdout, (command, ended)
            assert said in ended.stdout, (command, ended)
        assert worker.run(f"systemctl show {replica.unit} -p MainPID --value") == pid
