"""gVisor as a family of runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nodeprov.containerd import Runtime
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.layout import Layout
from nodeprov.node.machine import Machine
from nodeprov.node.state import NodeState
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import Family, Generation, Inspection, Requirements
from nodeprov.runtimes.gvisor import advice, kernel, requirements, sandbox
from nodeprov.runtimes.gvisor.runsc_toml import NAME, ShimOptions, runsc_flags
from nodeprov.runtimes.gvisor.sandbox import SHIM
from nodeprov.runtimes.gvisor.source import SOFTWARE
from nodeprov.states import FileState


class GVisor:
    """All that is gVisor's; see `Family`."""

    name = "gVisor"
    program = "runsc"
    shim = SHIM
    software = SOFTWARE
    uses: Mapping[str, str] = MappingProxyType(
        {
            "prefix": "runsc and its shim are executed from there",
            "state": "receipts are kept there, by which an uninstall knows what was before",
            "bin": "a link to runsc is made there, for people",
        }
    )
    pod_proof = "boots gVisor"
    kernel_example = kernel.EXAMPLE
    inspection = Inspection(
        config=NAME,
        kernel="gVisor, and not the node's",
        has_process=True,
        says_version="release-{}".format,
        check_names={"generation_files": "runsc_toml", "program_version": "runsc_version"},
        hints={
            "pod_threads": "leave oci-seccomp out of [runtime.flags] (gvisor#14688), and look at kubelet's "
            "podPidsLimit",
            "pod_cgroup": "leave ignore-cgroups out of [runtime.flags]; see systemd-cgroup in runsc.toml and "
            "kubelet's cgroupDriver",
            "pod_memory_limit": "see systemd-cgroup in runsc.toml, cgroupsPerQOS and cgroupDriver of kubelet, and "
            "who else sets limits",
        },
        machine_advice=advice.of_machine,
        config_advice=advice.of_config,
    )

    def runtime(self, layout: Layout) -> Runtime:
        """Say what containerd is told: the shim, and the runsc.toml that it reads."""
        return Runtime(
            layout.handler,
            "io.containerd.runsc.v1",
            (("TypeUrl", "io.containerd.runsc.v1.options"), ("ConfigPath", f"{layout.current}/{NAME}")),
            runtime_path=f"{layout.current}/{SHIM}",
            title=self.name,
            fails_with_selinux="gvisor#8747",
        )

    def generation(self, state: NodeState, release: Release) -> Generation:
        """Tie a shim, a runsc and a runsc.toml together.

        binary_name is the versioned path, never a link: the shim keeps it for a container's whole life, and a
        runsc of another release cannot be trusted to talk to that container's sentry.
        """
        binary = f"{state.layout.releases}/{release.name}/{self.program}"
        toml = ShimOptions(binary, runsc_flags(state.daemon, state.settings)).text
        files = {NAME: FileState(toml.encode(), 0o644)}
        return Generation(state.layout, release.name, files, (SHIM, self.program))

    def requirements(self, of: Machine, settings: Settings, version: str, daemon: Daemon | None) -> Requirements:
        """Find what blocks gVisor on a node."""
        return Requirements(
            kernel=requirements.kernel(of),
            platform=requirements.platform(of, settings),
            containerd=requirements.compatible(daemon, version) if daemon else (),
            configuration=requirements.selinux(daemon) if daemon else (),
        )

    run_sandbox = staticmethod(sandbox.run_sandbox)
    kernel_line = staticmethod(kernel.line)


GVISOR: Family = GVisor()
