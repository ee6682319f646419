"""The lab of virtual machines: what Vagrant brings up, made a Kubernetes by the code of every lab."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from nodeprov.errors import CommandFailed, NodeprovError, Problems
from nodeprov.hosts.local import run_program
from nodeprov.local_files import write_private
from nodeprov.templates import render
from nodeprov_lab import cluster
from nodeprov_lab.access import RemoteShell, remote_command
from nodeprov_lab.base import Machine, MachineStatus, OnEvent, find_machine, statuses, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.credentials import kubeconfig
from nodeprov_lab.gobuild import NO_GO, find_go
from nodeprov_lab.gvisor_releases import ARCHIVE_RELEASE, BASE_PATH
from nodeprov_lab.host import may_lower_oom_score, own_capabilities
from nodeprov_lab.images import make_images
from nodeprov_lab.parts import Programs, make_programs
from nodeprov_lab.vagrant import libvirt, requirements
from nodeprov_lab.vagrant.box import add_box, box_folder, bring
from nodeprov_lab.vagrant.command import CHOSEN, NOT_UP, Reach, Vagrant
from nodeprov_lab.vagrant.state import MACHINES, VagrantState, find_checkout

PUBLIC_BOX = "debian/bookworm64"
_DESTROY_TIMEOUT_SECONDS = 300.0
_KUBECTL = "usr/local/bin/kubectl"


class VagrantLab:
    """A lab of virtual machines on this one."""

    def __init__(self, cache: Path, *, debian_mirror: str = "", build_box: bool = False) -> None:
        self.machines: Sequence[Machine] = MACHINES
        self._cache = Cache(cache)
        self._debian_mirror = debian_mirror
        self._build_box = build_box
        self._state = VagrantState(find_checkout())
        self._vagrant = Vagrant(self._state.checkout)
        self._reach = Reach(self._vagrant, self._state)

    @cached_property
    def settings(self) -> cluster.Settings:
        """In what this cluster differs from another lab's."""
        if requirements.has_kvm():
            return cluster.Settings(chosen=CHOSEN, etcd_arguments=cluster.EXPENDABLE_DATA)
        patient = (*cluster.EXPENDABLE_DATA, "--heartbeat-interval=1000", "--election-timeout=5000")
        return cluster.Settings(chosen=CHOSEN, etcd_arguments=patient, ready_timeout_seconds=600, slow=True)

    def up(self, on_event: OnEvent) -> None:
        self._require(builds_box=self._build_box)
        with self._state.locked("lab"):
            with step(on_event, "looking at what is there"):
                if all(status.ready for status in self.status()):
                    return
            builds_box = self._build_box or not self._has_public_box(on_event)
            self._require(builds_box=builds_box)
            made = self._programs(on_event)
            libvirt.start(on_event)
            if builds_box:
                self._use_built_box(made, on_event)
            self._vagrant.narrate(["up", "--provider=libvirt"], on_event)
            self.write_inventory(on_event)

    def join(self, name: str, on_event: OnEvent) -> None:
        """Make a machine that Vagrant has brought up a node of the cluster, unless it is one."""
        machine = find_machine(self.machines, name)
        with step(on_event, f"asking Vagrant for the way to {name}"):
            shell = self._reach.shell(self._reach.way(name))
        secrets = self._state.secrets(self.settings.service_subnet)
        joined = render("lab/joined.sh.j2", certificate=secrets.authority.certificate.decode())
        if shell.run(joined).returncode == 0:
            return
        made = self._programs(on_event)
        bring(shell, self._trees(made), on_event)
        node = cluster.Node(machine, shell)
        cluster.install_node(node, self.machines, make_images(self._cache), secrets, self.settings, on_event)

    def write_inventory(self, on_event: OnEvent) -> Path:
        """Write what nodeprov and kubectl need to reach the machines, when the cluster is ready."""
        with step(on_event, "asking Vagrant for the way to the machines"):
            ways = self._reach.ways()
            self._reach.know([*ways.values()])
        made = self._programs(on_event)
        master, *workers = (ways[machine.name] for machine in self.machines)
        secrets = self._state.secrets(self.settings.service_subnet)
        write_private(self._state.admin_conf, kubeconfig(secrets, secrets.admin, self.machines[0]))
        shell = RemoteShell(master.name, self._reach.argv(master), sudo=True)
        cluster.wait_ready(shell, self.machines, self.settings, on_event)
        self._state.inventory.write_text(
            render(
                "lab/vagrant-inventory.toml.j2",
                ways=workers,
                known_hosts=self._state.known_hosts,
                release=ARCHIVE_RELEASE,
                base_url=made.mirror / BASE_PATH,
                kubectl=self._kubectl(made),
                kubeconfig=self._state.admin_conf,
                slow=self.settings.slow,
            )
        )
        return self._state.inventory

    def down(self, on_event: OnEvent) -> None:
        with self._state.locked("lab"), step(on_event, "removing the lab"):
            if not libvirt.answers() and libvirt.RUN.exists():
                libvirt.start(on_event)  # it has been killed, and its machines go on
            if libvirt.answers():
                self._vagrant.attempt(["destroy", "--force"], timeout_seconds=_DESTROY_TIMEOUT_SECONDS)
                stubborn = libvirt.remove_leftovers()
                if not stubborn.nothing:
                    raise NodeprovError(
                        f"something of the lab could not be removed: {stubborn}",
                        "virsh --connect qemu:///system list --all",
                    )
            libvirt.stop()
            self._state.remove()

    def status(self) -> Sequence[MachineStatus]:
        running = {machine.name for machine in self.machines if libvirt.is_running(machine.name)}
        ready = self._ready() if self.machines[0].name in running else set()
        return statuses(self.machines, running, ready)

    def ssh_argv(self, machine: str, command: Sequence[str], *, terminal: bool) -> list[str]:
        program, *login = self._reach.argv(self._reach.way(find_machine(self.machines, machine).name))
        options = ["-t"] if terminal else []
        return [program, *options, *login, *remote_command(["sudo", "--", *(command or ["su", "-"])])]

    def kubectl_argv(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:  # noqa: ARG002  it is here
        """Write the command that runs kubectl on this machine as the cluster's administrator."""
        if not self._state.admin_conf.exists():
            raise NodeprovError(NOT_UP, f"nodeprov lab up{CHOSEN}")
        kubectl = self._kubectl(self._programs(lambda _event: None))
        return [str(kubectl), f"--kubeconfig={self._state.admin_conf}", *arguments]

    def _require(self, *, builds_box: bool) -> None:
        facts = requirements.gather(self._state.checkout, self._cache.root, builds_box=builds_box)
        problems = requirements.problems(facts, builds_box=builds_box)
        if problems:
            raise Problems(problems, where="this machine")

    def _programs(self, on_event: OnEvent) -> Programs:
        go = find_go()
        if go is None:
            raise NodeprovError(NO_GO.message, NO_GO.hint)
        with self._state.locked("programs"):
            return make_programs(self._cache, go, on_event, tolerant=not may_lower_oom_score(own_capabilities()))

    def _trees(self, made: Programs) -> list[Path]:
        return [*made.layers(self.machines[0])]  # the master's on all: one box for three machines

    def _kubectl(self, made: Programs) -> Path:
        return next(path for tree in self._trees(made) if (path := tree / _KUBECTL).exists())

    def _has_public_box(self, on_event: OnEvent) -> bool:
        if self._state.box.exists():
            return False
        if f"{PUBLIC_BOX} " in self._vagrant.run(["box", "list"]):
            return True
        try:
            with step(on_event, f"fetching the box {PUBLIC_BOX}"):
                self._vagrant.run(["box", "add", PUBLIC_BOX, "--provider=libvirt"])
        except CommandFailed:
            return False
        return True

    def _use_built_box(self, made: Programs, on_event: OnEvent) -> None:
        folder = box_folder(self._cache, self._debian_mirror, self._trees(made), on_event)
        self._state.box.write_text(f"{add_box(folder, self._vagrant.run, on_event)}\n")

    def _ready(self) -> set[str]:
        arguments = ["get", "nodes", "-o", f"jsonpath={cluster.READY_JSONPATH}", "--request-timeout=10s"]
        try:
            return cluster.parse_ready_nodes(run_program(self.kubectl_argv(arguments, terminal=False)).text)
        except NodeprovError:  # it was never made a cluster, or does not answer
            return set()
