"""The programs of a lab, built from Go modules that components/ pins by go.mod and go.sum."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from nodeprov.errors import NodeprovError, Problem
from nodeprov.hosts.local import run_checked, run_program
from nodeprov_lab.base import OnEvent, step
from nodeprov_lab.cache import Cache
from nodeprov_lab.processes import ending_with_us

TOOLCHAIN = "go1.26.8"
"""What builds the lab where the go that was found is too old; Debian 13 has 1.24."""
NO_GO = Problem(
    f"missing program: Go 1.21 or later (Debian 12's is older: https://go.dev/dl); it fetches {TOOLCHAIN}",
    "apt-get install -y golang-go",
)
_OF_ITS_INSTALLER = "/usr/local/go/bin/go"
COMPONENTS = Path(__file__).parent / "components"
_BUILD_TIMEOUT_SECONDS = 3600.0
# What a program is made of must not depend on whose machine this is.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false")


@dataclass(frozen=True, slots=True)
class Program:
    """A main package, and the path of the built program below its component's folder."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A text of one source file of a module, which must be there once, and what it becomes."""

    module: str
    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Component:
    """A Go module of components/, the programs it pins, and values that the linker puts into them."""

    name: str
    programs: tuple[Program, ...]
    values: tuple[str, ...] = ()
    patch: Patch | None = None

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return COMPONENTS / self.name

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files there that decide what a build gives."""
        return ("go.mod", "go.sum", *sorted(path.name for path in self.folder.glob("*.go")))


# A component's folder holds up to two trees: `node` is for every machine, `master` for the master.
KUBERNETES = Component(
    "kubernetes",
    (
        Program("k8s.io/kubernetes/cmd/kubelet", "node/usr/local/bin/kubelet"),
        *(
            Program(f"k8s.io/kubernetes/cmd/{name}", f"master/usr/local/bin/{name}")
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        ),
    ),
    tuple(
        f"k8s.io/component-base/version.{name}={value}"
        for name, value in {"gitVersion": "v1.36.3", "gitMajor": "1", "gitMinor": "36"}.items()
    ),
)
ETCD = Component("etcd", (Program("go.etcd.io/etcd/server/v3", "master/usr/local/bin/etcd"),))


def containerd(version: str, folder: str = "") -> Component:
    """Describe a containerd with its shim and its ctr; its folder is named after the version unless given."""
    module = "github.com/containerd/containerd" + ("" if version.startswith("1.") else "/v2")
    return Component(
        folder or f"containerd-{version}",
        tuple(
            Program(f"{module}/cmd/{name}", f"node/usr/local/bin/{name}")
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        ),
        (f"{module}/version.Version=v{version}",),
    )


CONTAINERD_VERSION = "2.4.2"
CONTAINERD = containerd(CONTAINERD_VERSION, "containerd")
"""What the lab's cluster runs."""
CRIRUN = Component("crirun", (Program(".", "crirun"),))
"""Our own client of containerd's CRI: kubelet's part, for a single pod."""

REGISTRY = Component("registry", (Program("github.com/google/go-containerregistry/cmd/registry", "registry"),))
"""A registry of images, for tests that push."""

KWOK = Component("kwok", (Program("sigs.k8s.io/kwok/cmd/kwok", "kwok"),))
"""Plays kubelets: nodes and pods that are nothing but objects of a cluster, for tests of many of them."""


@dataclass(frozen=True, slots=True)
class Go:
    """A go command, and the toolchain that it is told to be; "" leaves that to it."""

    program: Path
    toolchain: str = ""

    @property
    def environment(self) -> Mapping[str, str]:
        """What its environment must have."""
        return _ENVIRONMENT | ({"GOTOOLCHAIN": self.toolchain} if self.toolchain else {})


def find_go() -> Go | None:
    """Find a go command, in PATH or where its own installer puts it, that can build the components.

    One that is too old is told to be TOOLCHAIN, which it fetches as a module that Go's checksum database vouches
    for (https://go.dev/doc/toolchain). By itself it would fetch another one for each component, or none where its
    distribution says so. What is in GOTOOLCHAIN is the user's decision, and stays.
    """
    found = [Path(path) for path in (shutil.which("go"), _OF_ITS_INSTALLER) if path and Path(path).exists()]
    if "GOTOOLCHAIN" in os.environ:
        return next((Go(path) for path in found if _can_build(Go(path))), None)
    new_enough = (Go(path) for path in found if _can_build(Go(path, "local")))
    return next(chain(new_enough, filter(_can_build, (Go(path, TOOLCHAIN) for path in found))), None)


def _can_build(go: Go) -> bool:
    argv = [str(go.program), "list", "-m"]
    output = run_program(argv, environment=go.environment, folder=CONTAINERD.folder, timeout_seconds=300)
    return output.returncode == 0


class GoBuilder:
    """Builds components, or finds them built.

    They are for this machine's processor, or for another one by Go's name of it.
    """

    def __init__(self, cache: Cache, go: Go, on_event: OnEvent, *, processor: str = "") -> None:
        self._cache = cache
        self._go = go
        self._on_event = on_event
        self._environment = _ENVIRONMENT | ({"GOOS": "linux", "GOARCH": processor} if processor else {})
        self._suffix = f"-{processor}" if processor else ""

    def build(self, component: Component) -> Path:
        """Return the folder with the component's programs."""
        make = partial(self._make, component)
        return self._cache.folder(f"{component.name}{self._suffix}", self.ingredients(component), make)

    def ingredients(self, component: Component) -> Mapping[str, str]:
        """Name all that decides what a build gives."""
        files = {name: (component.folder / name).read_text() for name in component.files}
        return {
            **files,
            "go": self._run(component.folder, ["version"], "ask go for its version"),
            "arguments": json.dumps([self._arguments(component), self._environment]),
            "programs": json.dumps([[program.package, program.path] for program in component.programs]),
            "patch": f"{component.patch.file}: {component.patch.after}" if component.patch else "",
        }

    def _make(self, component: Component, folder: Path) -> None:
        source = component.folder
        if component.patch:
            source = folder.with_name(f"{folder.name}.source")
            self._copy_patched(component, component.patch, source)
        for number, program in enumerate(component.programs, 1):
            what = f"building {component.name}, {number} of {len(component.programs)}: {Path(program.path).name}"
            with step(self._on_event, what):
                arguments = ["build", *self._arguments(component), "-o", str(folder / program.path)]
                self._run(source, [*arguments, program.package], f"build {program.package}")
        if source != component.folder:
            shutil.rmtree(source)

    def _arguments(self, component: Component) -> Sequence[str]:
        values = " ".join(f"-X {value}" for value in component.values)
        return [*_FLAGS, "-ldflags", f"-s -w {values}".strip()]

    def _copy_patched(self, component: Component, patch: Patch, source: Path) -> None:
        """Copy the component with the module, and patch that.

        `go build -overlay` would need no copy, but refuses to replace a file of the module cache. The copy is
        named by a relative path, since programs remember the path.
        """
        module, patched = patch.module, source / "module"
        self._run(component.folder, ["mod", "download", module], f"download {module}")
        original = self._run(component.folder, ["list", "-m", "-f", "{{.Dir}}", module], f"find {module}").strip()
        shutil.copytree(original, patched, copy_function=shutil.copyfile)  # the originals are read-only
        file = patched / patch.file
        text = file.read_text()
        if text.count(patch.before) != 1:
            raise NodeprovError(f"{component.name}: {patch.file} is not what the lab knows how to patch")
        file.write_text(text.replace(patch.before, patch.after))
        for name in component.files:
            shutil.copyfile(component.folder / name, source / name)
        self._run(source, ["mod", "edit", f"-replace={module}=./module"], "use the copy")

    def _run(self, folder: Path, arguments: Sequence[str], doing: str) -> str:
        return run_checked(
            ending_with_us([str(self._go.program), *arguments]),
            f"cannot {doing}",
            timeout_seconds=_BUILD_TIMEOUT_SECONDS,
            environment={**self._environment, **self._go.environment},
            folder=folder,
        )
