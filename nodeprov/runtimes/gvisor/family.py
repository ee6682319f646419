"""gVisor as a family of runtimes."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from nodeprov.containerd import Runtime
from nodeprov.errors import Problem
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.layout import Layout
from nodeprov.node.state import Machine, NodeState
from nodeprov.releases.obtain import Release
from nodeprov.runtimes.family import Family, Generation, Inspection, Requirements, Traits
from nodeprov.runtimes.gvisor import requirements
from nodeprov.runtimes.gvisor.call_log import CallsQuery
from nodeprov.runtimes.gvisor.flags import flag_problems
from nodeprov.runtimes.gvisor.shim import (
    KERNEL_EXAMPLE,
    NAME,
    SHIM,
    ShimOptions,
    kernel_line,
    run_sandbox,
    runsc_flags,
)
from nodeprov.runtimes.gvisor.software import SOFTWARE
from nodeprov.runtimes.gvisor.traits import traits_of
from nodeprov.states import FileState

MOUNT_HINTS = ("dev.gvisor.spec.mount.*",)
"""The annotations of a pod that say how its volumes are shared (gvisor: runsc/boot/mount_hints.go): no flags."""


class GVisor:
    """All that is gVisor's; see `Family`."""

    name = "gVisor"
    program = "runsc"
    shim = SHIM
    names_release = "release-[0-9]{8}[.][0-9]+"
    software = SOFTWARE
    uses: Mapping[str, str] = MappingProxyType(
        {
            "prefix": "runsc and its shim are executed from there",
            "state": "receipts are kept there, by which an uninstall knows what was before",
            "bin": "a link to runsc is made there, so that you can type it",
        }
    )
    pod_proof = "boots gVisor"
    kernel_example = KERNEL_EXAMPLE
    # The network namespace of those who need none, which runsc mounts beside its containers' states (since 2026).
    leaves_mounted = r"/run/containerd/runsc/[^/]+/null-netns"
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
        machine_warnings=requirements.warnings,
        machine_advice=requirements.advice_of_machine,
        config_flags=requirements.flags_of,
        config_advice=requirements.advice_of_config,
    )

    def runtime(self, layout: Layout) -> Runtime:
        """Return what containerd's configuration gets: the shim, and the runsc.toml that it reads."""
        return Runtime(
            layout.handler,
            "io.containerd.runsc.v1",
            (("TypeUrl", "io.containerd.runsc.v1.options"), ("ConfigPath", f"{layout.for_containerd}/{NAME}")),
            runtime_path=f"{layout.for_containerd}/{SHIM}",
            pod_annotations=MOUNT_HINTS if layout.mount_hints else (),
            title=self.name,
            fails_with_selinux="gvisor#8747",
        )

    def generation(self, state: NodeState, release: Release) -> Generation:
        """Tie a shim, a runsc and a runsc.toml together.

        binary_name is the versioned path, never a link: the shim keeps it for a container's whole life, and a
        runsc of another release cannot be trusted to talk to that container's sentry.
        """
        binary = f"{state.layout.releases}/{release.name}/{self.program}"
        toml = ShimOptions(binary, runsc_flags(state.machine, state.daemon, state.settings)).text
        files = {NAME: FileState(toml.encode(), 0o644)}
        return Generation(state.layout, release.name, files, (SHIM, self.program))

    def requirements(self, of: Machine, settings: Settings, version: str, daemon: Daemon | None) -> Requirements:
        """Find what blocks gVisor on a node."""
        return Requirements(
            kernel=requirements.kernel(of),
            platform=(*requirements.platform(of, settings), *requirements.pids(of)),
            containerd=requirements.compatible(daemon, version) if daemon else (),
            configuration=requirements.configuration(daemon, settings.runtime.handler) if daemon else (),
        )

    def release_problems(self, state: NodeState, release: Release) -> Iterator[Problem]:
        """Ask runsc whether it takes the flags that it would get."""
        flags = runsc_flags(state.machine, state.daemon, state.settings)
        given = state.settings.runtime.flags
        return flag_problems(release.folder / self.program, release.version, flags, given)

    def traits(self, release: Release) -> Traits:
        """Ask runsc for its version and its flags."""
        return traits_of(release.folder / self.program, release.version)

    def unsupported_calls(self) -> CallsQuery:
        """Ask for gvisor.log."""
        return CallsQuery()

    def pod_changes(self, old: str, new: str, flags: Mapping[str, str], cgroup_version: int) -> Iterator[str]:
        """Compare what is recorded of both versions."""
        from nodeprov.workloads.judgement import changes  # only an upgrade asks

        return changes(old, new, flags, cgroup_version)

    def call_changes(self, old: Release, new: Release) -> Iterator[str]:
        """Compare what runsc of both says."""
        from nodeprov.runtimes.gvisor.system_calls import call_changes  # only an upgrade asks

        return call_changes(old, new)

    run_sandbox = staticmethod(run_sandbox)
    kernel_line = staticmethod(kernel_line)


GVISOR: Family = GVisor()
