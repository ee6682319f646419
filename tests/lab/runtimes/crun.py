"""Debian's crun as a family: a second one, with another shim, no process of its own and no kernel of its own."""

from __future__ import annotations

import hashlib
import platform
import re
import secrets
from collections.abc import Mapping

from nodeprov.containerd import Runtime
from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.base import Host, Output, plain
from nodeprov.inventory import Settings
from nodeprov.node.daemon import Daemon
from nodeprov.node.layout import Layout
from nodeprov.node.state import Machine, NodeState
from nodeprov.releases.obtain import Release
from nodeprov.releases.source import ArtifactLayout, Software
from nodeprov.runtimes.family import SANDBOX_TIMEOUT_SECONDS, Family, Generation, Inspection, Requirements, Traits
from nodeprov.states import FileState, TreeEntry, TreeState
from nodeprov.workloads.unsupported import PodNotes
from tests.support import parts
from tests.support.parts import CRUN as PROGRAM
from tests.support.parts import YAJL as LIBRARY

VERSION = "1.21"
WRAPPER = '#!/bin/sh\nexport LD_LIBRARY_PATH={release}\nexec {release}/crun.real "$@"\n'
SANDBOX = """\
# A container runs through the generation's program: on a root of its own, which has the node's programs to read.
root=$(mktemp -d {prefix}/.proof-crun-XXXXXX) || exit 1
trap 'rm -rf -- "$root"' EXIT
mkdir "$root/usr" "$root/proc" && ln -s usr/bin usr/lib usr/lib64 "$root/" || exit 1
timeout {seconds} {ctr} -a {socket} -n nodeprov run --rm --runc-binary {generation}/crun --read-only \\
    --mount type=bind,src=/usr,dst=/usr,options=rbind:ro --rootfs "$root" {name} /bin/cat /proc/version < /dev/null
"""


class NoCalls:
    """The node's own kernel knows what it knows: nothing is noted."""

    @property
    def script(self) -> str:
        """Do nothing."""
        return ":"

    def parse(self, output: Output) -> list[PodNotes]:
        """Find nothing."""
        return []


class Crun:
    """All that is crun's; see `Family`."""

    name = "crun"
    program = "crun"
    shim = "containerd-shim-runc-v2"
    names_release = "crun-[0-9.]+"
    software = Software(
        name="crun",
        layouts=(ArtifactLayout("loose", (PROGRAM, LIBRARY)),),
        programs=(PROGRAM,),
        architectures=("x86_64", "aarch64"),
        version=re.compile(r"\d+(\.\d+)+"),
        named_release=re.compile(rb"crun version ([\d.]+)"),
        example=VERSION,
        version_hint=f"type it as {VERSION}",
        list_hint="apt-cache policy crun",
    )
    uses: Mapping[str, str] = dict.fromkeys(("prefix", "state", "bin"), "crun is there")
    pod_proof = "is run by crun"
    kernel_example = b"Linux version 6.12.41\n"
    leaves_mounted = ""
    inspection = Inspection(
        config="crun", kernel="the node's own", has_process=False, says_version="crun version {}".format
    )

    def runtime(self, layout: Layout) -> Runtime:
        """Have containerd's own shim run our crun."""
        return Runtime(layout.handler, "io.containerd.runc.v2", (("BinaryName", f"{layout.for_containerd}/crun"),))

    def unsupported_calls(self) -> NoCalls:
        """Ask for nothing."""
        return NoCalls()

    def generation(self, state: NodeState, release: Release) -> Generation:
        """Tie a release's program to the library that a node need not have."""
        wrapper = WRAPPER.format(release=f"{state.layout.releases}/{release.name}")
        return Generation(state.layout, release.name, {"crun": FileState(wrapper.encode(), 0o755)}, (PROGRAM,))

    def requirements(
        self, _machine: Machine, _settings: Settings, _version: str, _daemon: Daemon | None
    ) -> Requirements:
        """Want nothing that Debian does not have."""
        return Requirements()

    def release_problems(self, _state: NodeState, _release: Release) -> tuple[Problem, ...]:
        """Tell it nothing that it could refuse."""
        return ()

    def traits(self, _release: Release) -> Traits:
        """Know nothing of it."""
        return Traits("", None, ())

    def run_sandbox(self, host: Host, state: NodeState, generation: str) -> str:
        """Run a container through a generation."""
        text = SANDBOX.format(
            prefix=state.layout.prefix,
            ctr=state.daemon.ctr,
            socket=state.daemon.socket,
            generation=generation,
            name=f"nodeprov-proof-{secrets.token_hex(4)}",
            seconds=SANDBOX_TIMEOUT_SECONDS,
        )
        script = plain("prove-crun", text, when_well=self.kernel_example)
        output = host.run(script, timeout_seconds=2 * SANDBOX_TIMEOUT_SECONDS)
        if line := self.kernel_line(output.text):
            return line
        raise NodeprovError(f"no container runs through {generation}: {output.said}", "ctr plugins ls")

    def pod_changes(self, old: str, new: str, flags: Mapping[str, str], cgroup_version: int) -> tuple[str, ...]:
        """Nothing: the kernel is the node's."""
        return ()

    def call_changes(self, old: Release, new: Release) -> tuple[str, ...]:
        """Nothing: the kernel is the node's."""
        return ()

    def kernel_line(self, said: str) -> str:
        """Find the node's own kernel."""
        return next((line for line in said.splitlines() if "Linux version" in line and "gvisor" not in line), "")


CRUN: Family = Crun()


def debians_release() -> Release:
    """Have Debian's crun, and its one library that is not in a small Debian, in the lab's cache."""
    folder = parts.crun()
    entries = tuple(
        TreeEntry(name, 0o755, hashlib.sha256((folder / name).read_bytes()).hexdigest())
        for name in (PROGRAM, LIBRARY)
    )
    return Release(VERSION, platform.machine(), "loose", folder, TreeState(entries), {})
