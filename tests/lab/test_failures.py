"""Whatever goes wrong, the node is as it was, containerd serves, and the message says what to do."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from nodeprov.engine.actions import Containerd
from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.inventory import parse
from nodeprov.node.facts import gather
from nodeprov.node.layout import Layout
from nodeprov.node.state import NodeState
from nodeprov.runtimes.gvisor.family import GVISOR
from nodeprov.states import TreeState
from tests.lab.machines import (
    ADDRESSES,
    CLASS,
    CONFIG,
    CURRENT,
    LABEL,
    OTHER,
    WORKER,
    Kubectl,
    Machine,
    eventually,
)
from tests.lab.running import INVENTORY, installed, nodeprov, refused, started, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

# A file system that becomes too small at once: nothing that would have to be written can lose the race.
_NO_MORE_ROOM = """
until used=$(df --output=used -B1 /srv/small | tail -1) && mount -o remount,size=$((used + 4096)) /srv/small; do
    sleep 0.01
done"""


class TestPlaces:
    def test_a_full_disk_is_seen_before_anything_is_touched(self, untouched: Machine, tmp_path: Path) -> None:
        untouched.run("mkdir /srv/small && mount -t tmpfs -o mode=0755,size=50m tmpfs /srv/small")
        try:
            inventory = variant(tmp_path, paths__prefix='"/srv/small/nodeprov"')
            refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "MiB free", "needed")
        finally:
            untouched.run("umount /srv/small && rmdir /srv/small")

    def test_a_disk_that_fills_up_in_the_middle_of_the_upload(self, untouched: Machine, tmp_path: Path) -> None:
        untouched.run("mkdir /srv/small && mount -t tmpfs -o mode=0755,size=900m tmpfs /srv/small")
        try:
            inventory = variant(tmp_path, paths__prefix='"/srv/small/nodeprov"')
            with started("install", WORKER, "--yes", inventory=inventory) as running:
                running.wait_for("uploading")
                untouched.run(_NO_MORE_ROOM)
                ended = running.end()
            # On a busy machine the release may have been there by then, and the next file was the one too many.
            refused(ended, "No space left on device", "free space there (df -h)", "the node is as before")
            assert untouched.run("ls -A /srv/small") == ""
        finally:
            untouched.run("umount /srv/small && rmdir /srv/small")

    def test_where_nothing_can_be_executed_that_is_found_by_executing(
        self, worker: Machine, tmp_path: Path
    ) -> None:
        worker.run("mkdir /srv/noexec && mount -t tmpfs -o noexec,mode=0755 tmpfs /srv/noexec")
        try:
            with pytest.raises(NodeprovError, match="nothing can be executed in /srv/noexec/releases") as caught:
                worker.host.write_tree("/srv/noexec/releases/r1", TreeState(()), tmp_path)
            assert caught.value.hint.startswith("set [paths] prefix to a folder where programs may be executed")
            assert worker.run("find /srv/noexec -mindepth 2") == ""
        finally:
            worker.run("umount /srv/noexec && rmdir /srv/noexec")

    def test_a_place_where_nothing_can_be_executed(self, untouched: Machine, tmp_path: Path) -> None:
        untouched.run("mkdir /srv/noexec && mount -t tmpfs -o noexec,mode=0755 tmpfs /srv/noexec")
        try:
            inventory = variant(tmp_path, paths__prefix='"/srv/noexec/nodeprov"')
            refused(nodeprov("install", WORKER, "--yes", inventory=inventory), "noexec")
        finally:
            untouched.run("umount /srv/noexec && rmdir /srv/noexec")


class TestConfiguration:
    @pytest.fixture
    def configured(self, worker: Machine, request: pytest.FixtureRequest) -> Machine:
        """A node whose configuration was edited by somebody, who has not restarted containerd."""
        worker.run(request.param)
        return worker

    @pytest.mark.parametrize(
        ("configured", "said"),
        [
            pytest.param(
                f"sed -i \"s|^imports = .*|imports = ['/etc/containerd/gone.toml']|\" {CONFIG}",
                "imports /etc/containerd/gone.toml, which does not exist",
                id="a dangling import",
            ),
            pytest.param(
                f"sed -i \"s|default_runtime_name = 'runc'|default_runtime_name = 'nope'|\" {CONFIG}",
                "default_runtime_name",
                id="a default runtime that does not exist: CRI in error while ctr version answers",
            ),
            pytest.param(
                f"sed -i 's|enable_selinux = false|enable_selinux = true|' {CONFIG}",
                "enable_selinux",
                id="SELinux",
            ),
            pytest.param(f"sed -i 's|^version = .*|version = 9|' {CONFIG}", "version", id="an unknown version"),
            pytest.param(
                f'printf \'\\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]\\n'
                f'runtime_type = "io.containerd.runsc.v1"\\n\' >> {CONFIG}',
                "runsc",
                id="a runsc table of somebody else",
            ),
            pytest.param(
                "mkdir -p /etc/containerd/conf.d && printf 'version = 3\\n"
                '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]\\n'
                'runtime_type = "io.containerd.runsc.v1"\\n'
                'runtime_path = "/usr/bin/other"\\n\' > /etc/containerd/conf.d/99-other.toml',
                "runsc",
                id="a drop-in that declares the handler",
            ),
        ],
        indirect=["configured"],
    )
    def test_a_configuration_that_cannot_be_right_is_refused(self, configured: Machine, said: str) -> None:
        before, pid = configured.listing(), configured.pid()
        refused(nodeprov("install", WORKER, "--yes"), said)
        assert configured.listing() == before
        assert configured.pid() == pid

    def test_a_configuration_that_containerd_dies_of_is_taken_back(self, untouched: Machine) -> None:
        untouched.drop_in(f"ExecStartPre=/bin/sh -c '! grep -q runtimes.runsc {CONFIG}'")
        ended = nodeprov("install", WORKER, "--yes")
        refused(ended, "containerd.service does not restart", "of this run; the node is as before")

    @pytest.mark.trouble(
        "containerd starts with the new configuration, and its CRI plugin is in error",
        "rolled back by the node; the message has the plugin's own cause, once",
    )
    def test_cri_in_error_while_ctr_version_answers_is_taken_back(self, untouched: Machine) -> None:
        bad = "/run/bad-containerd.toml"
        untouched.run(f"sed \"s|default_runtime_name = 'runc'|default_runtime_name = 'nope'|\" {CONFIG} > {bad}")
        choose = f"grep -q runtimes.runsc {CONFIG} && exec containerd -c {bad}; exec containerd -c {CONFIG}"
        untouched.drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{choose}'")
        ended = nodeprov("install", WORKER, "--yes")
        refused(ended, "its CRI plugin does not work: ", "of this run; the node is as before")
        assert ended.stderr.count('default_runtime_name = "nope"') == 1
        assert ";;" not in ended.stderr

    @pytest.mark.trouble(
        "containerd cannot read its new configuration",
        "rolled back by the node; the message has containerd's own sentence, with file, line and column",
    )
    def test_a_file_that_containerd_cannot_read_is_named_with_line_and_column(self, untouched: Machine) -> None:
        bad = "/run/bad-containerd.toml"
        untouched.run(f"printf 'version = 3\nroot = = 1\n' > {bad}")
        choose = f"grep -q runtimes.runsc {CONFIG} && exec containerd -c {bad}; exec containerd -c {CONFIG}"
        untouched.drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{choose}'")
        ended = nodeprov("install", WORKER, "--yes")
        refused(ended, f"{bad}: failed to unmarshal TOML at row 2 column 8: ", "the node is as before")

    def test_a_daemon_that_dies_after_a_second_is_taken_back(self, untouched: Machine) -> None:
        choose = f"grep -q runtimes.runsc {CONFIG} && exec timeout 3 containerd; exec containerd"
        untouched.drop_in(f"ExecStart=\nExecStart=/bin/sh -c '{choose}'\nRestartSec=1")
        ended = nodeprov("install", WORKER, "--yes")
        refused(ended, "of this run; the node is as before")


POINTS = ("uploading", "done: link /opt/nodeprov/handlers", "restarting", "done: file /etc/containerd")


class TestKilled:
    def test_a_terminated_run_takes_its_changes_back(self, untouched: Machine) -> None:
        before = untouched.listing()
        for point in POINTS:
            with started("install", WORKER, "--yes") as running:
                running.wait_for(point)
                running.process.send_signal(signal.SIGTERM)
                ended = running.end()
            refused(ended, "interrupted", "the node is as before")
            assert untouched.listing() == before, point

    def test_a_killed_run_is_finished_by_the_next(self, worker: Machine, kubectl: Kubectl) -> None:
        """Also when that one is killed, and the one after it."""
        kubectl.pod("plain", WORKER, sandboxed=False)
        plain, pristine = kubectl.container("plain"), worker.config()
        for point in POINTS[:-1]:  # the node swaps and restarts by itself: after that nothing is left to be killed
            with started("install", WORKER, "--yes") as running:
                running.wait_for(point)
                running.process.kill()
                running.end()
            worker.settled()
            with eventually(20) as more:
                while worker.try_run("systemctl is-active containerd").returncode and more():
                    pass
            worker.serves()
            status = nodeprov("status", WORKER)
            assert (status.returncode, "has not ended" in status.stdout) == (3, True), status.stdout
            assert f"nodeprov install {WORKER} finishes it" in status.stdout
            planned = nodeprov("plan", WORKER)
            assert "began at" in planned.stdout, point
            assert "did not end; this run finishes what it left" in planned.stdout
        installed(WORKER)
        assert nodeprov("status", WORKER).returncode == 0
        planned = nodeprov("plan", WORKER)
        assert planned.returncode == 0
        assert "did not end" not in planned.stdout
        assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
        assert worker.config() == pristine, "what was there before the killed runs comes back"
        assert kubectl.container("plain")["containerID"] == plain["containerID"]

    def test_an_uninstall_that_is_killed_loses_nothing(self, worker: Machine) -> None:
        pristine = worker.config()
        installed(WORKER)
        with started("uninstall", WORKER, "--yes") as running:
            running.wait_for("done: label")
            running.process.kill()
            running.end()
        installed(WORKER)
        assert nodeprov("verify", WORKER).returncode == 0
        assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
        assert worker.config() == pristine

    def test_a_second_run_at_the_same_time_is_refused_and_told_by_whom(self, worker: Machine) -> None:
        with started("install", WORKER, "--yes") as running:
            running.wait_for("uploading")
            second = nodeprov("install", WORKER, "--yes")
            assert running.end().returncode == 0
        refused(second, "another run holds this node", "@", "since")


class TestProofs:
    def test_what_path_holds_plays_no_part(self, worker: Machine) -> None:
        worker.run(
            "for name in runsc containerd-shim-runsc-v1; do printf '#!/bin/sh\\nexit 1\\n' > /usr/bin/$name; "
            "chmod 0755 /usr/bin/$name; done"
        )
        try:
            installed(WORKER)
            verified = nodeprov("verify", WORKER)
            assert verified.returncode == 0, verified.stdout
        finally:
            worker.run("rm -f /usr/bin/runsc /usr/bin/containerd-shim-runsc-v1")

    def test_a_broken_runsc_toml_fails_the_proof(self, worker: Machine) -> None:
        installed(WORKER)
        node = parse(INVENTORY.read_text(), str(INVENTORY)).nodes[0]
        layout = Layout.of(node.settings, GVISOR.program)
        state = NodeState.of(node, layout, gather(worker.host, node.settings, layout), None)
        containerd = Containerd(worker.host, state, GVISOR)
        toml = "/opt/nodeprov/handlers/runsc/current/runsc.toml"
        kept = worker.run(f"cat {toml}")
        for breaking in (
            f"sed -i 's|/runsc\"|/no-runsc\"|' {toml}",
            f"sed -i '/^binary_name/d' {toml}",
            f"echo 'no-such-flag = \"1\"' >> {toml}",
            f"echo 'binary_name = ' > {toml}",
        ):
            worker.host.sh(f"cat > {toml}", stdin=kept.encode())
            worker.run(breaking)
            with pytest.raises(NodeprovError, match=r"runsc\.toml|no sandbox runs"):
                containerd.sandbox(CURRENT)
        verified = nodeprov("verify", WORKER, "--json")
        assert verified.returncode == 1
        results = {each["check"]: each["result"] for each in json.loads(verified.stdout)["findings"]}
        assert results["runsc_toml"] == "failed"
        assert "~ file" in nodeprov("plan", WORKER).stdout
        installed(WORKER)
        assert "gvisor" in containerd.sandbox(CURRENT)
        assert worker.run(f"cat {toml}") == kept

    def test_a_flag_that_runsc_does_not_know_is_seen(self, untouched: Machine, tmp_path: Path) -> None:
        unknown = variant(tmp_path, runtime__flags='{ no-such-flag = "1" }')
        refused(
            nodeprov("install", WORKER, "--yes", inventory=unknown),
            "does not take [runtime.flags]",
            "no-such-flag",
        )

    def test_a_byte_changed_in_runsc_is_seen_and_mended(self, worker: Machine) -> None:
        installed(WORKER)
        worker.run("printf X | dd of=/opt/nodeprov/handlers/runsc/current/runsc bs=1 seek=4096 conv=notrunc 2>&1")
        assert nodeprov("verify", WORKER).returncode == 1
        assert "replacing a damaged one" in nodeprov("plan", WORKER).stdout
        installed(WORKER)
        assert nodeprov("verify", WORKER).returncode == 0


class TestEvidence:
    def test_a_restart_that_was_forgotten_is_made_up_for(self, worker: Machine) -> None:
        installed(WORKER)
        table = worker.config()
        assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
        worker.host.sh(f"cat > {CONFIG}", stdin=table)
        planned = nodeprov("plan", WORKER).stdout
        assert "the running containerd has not loaded it" in planned
        installed(WORKER)
        assert nodeprov("verify", WORKER).returncode == 0

    def test_a_touched_file_restarts_nothing(self, worker: Machine) -> None:
        installed(WORKER)
        pid = worker.pid()
        worker.run(f"touch {CONFIG}")
        assert "nothing to do" in installed(WORKER).stdout
        worker.run("rm /var/lib/nodeprov/daemon.json")
        assert "nothing to do" in installed(WORKER).stdout, "the daemon's own log is evidence enough"
        assert worker.pid() == pid

    def test_edits_of_others_that_a_restart_would_bring_into_force_are_named(self, worker: Machine) -> None:
        installed(WORKER)
        worker.run(f"sed -i 's|max_container_log_line_size = .*|max_container_log_line_size = 4096|' {CONFIG}")
        planned = nodeprov("uninstall", WORKER, "--yes")
        assert "also brings into force" in planned.stdout
        assert "max_container_log_line_size" in planned.stdout


class TestCluster:
    def test_a_runtime_class_with_another_handler_is_explained_and_left(
        self, worker: Machine, kubectl: Kubectl
    ) -> None:
        before = worker.listing()
        kubectl(
            "apply", "-f", "-",
            stdin=f"apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {{name: {CLASS}}}\nhandler: kata\n",
        )  # fmt: skip
        refused(nodeprov("install", WORKER, "--yes"), f"RuntimeClass {CLASS} exists with the handler 'kata'")
        assert kubectl.json("get", "runtimeclass", CLASS)["handler"] == "kata"
        assert worker.listing() == before

    def test_the_label_cannot_be_set_by_the_node_itself(self, worker: Machine, kubectl: Kubectl) -> None:
        """Though its kubelet's credentials are good ones, and let it set other labels of its own."""
        kubelet = worker.run("cat /etc/kubernetes/kubelet.conf")

        def as_kubelet(*arguments: str) -> Output:
            return kubectl.attempt("--kubeconfig=/dev/stdin", *arguments, stdin=kubelet)

        who = as_kubelet("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
        assert who.text == f"system:node:{WORKER}"
        assert as_kubelet("label", "node", WORKER, "tests.example/own=1").returncode == 0
        kubectl("label", "node", WORKER, "tests.example/own-")
        said = as_kubelet("label", "node", WORKER, f"{LABEL}=true")
        assert said.returncode != 0
        assert b"is not allowed to modify labels" in said.stderr

    def test_an_unreachable_node_is_named_and_the_other_is_not_touched(
        self, other: Machine, tmp_path: Path
    ) -> None:
        text = INVENTORY.read_text().replace(ADDRESSES[WORKER], "10.123.0.99")
        inventory = tmp_path / "inventory.toml"
        inventory.write_text(text)
        before = other.listing()
        refused(nodeprov("install", WORKER, OTHER, "--yes", inventory=inventory), f"{WORKER} (10.123.0.99)")
        assert other.listing() == before
