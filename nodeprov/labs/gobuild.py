"""The programs of a lab, built from Go modules that components/ pins by go.mod and go.sum."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_checked, run_program
from nodeprov.labs.base import OnEvent, step
from nodeprov.labs.cache import Cache
from nodeprov.labs.processes import ending_with_us

COMPONENTS = Path(__file__).parent / "components"
_BUILD_TIMEOUT_SECONDS = 3600.0
# What a program is made of must not depend on whose machine this is.
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false")
_SHIM_SOURCE = "pkg/shim/v1/manager.go"
_SHIM_STRICT = "SetOOMScore(cmd.Process.Pid, oomScoreMax); err != nil {"
_SHIM_TOLERANT = "SetOOMScore(cmd.Process.Pid, oomScoreMax); err != nil && !os.IsPermission(err) {"


@dataclass(frozen=True, slots=True)
class Program:
    """A main package, and the path of the built program below its component's folder."""

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class Component:
    """A Go module of components/, the programs it pins, and values that the linker puts into them.

    `tolerant_module` is built from a copy that tolerates the lack of CAP_SYS_RESOURCE.
    """

    name: str
    programs: tuple[Program, ...]
    values: tuple[str, ...] = ()
    tolerant_module: str = ""

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return COMPONENTS / self.name


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
CONTAINERD = Component(
    "containerd",
    tuple(
        Program(f"github.com/containerd/containerd/v2/cmd/{name}", f"node/usr/local/bin/{name}")
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    ),
    ("github.com/containerd/containerd/v2/version.Version=v2.4.2",),
)


def gvisor(release: str, *, tolerant: bool) -> Component:
    """Describe a gVisor release; `tolerant` where the machine lacks CAP_SYS_RESOURCE."""
    return Component(
        f"gvisor-{release}",
        (
            Program("gvisor.dev/gvisor/runsc", "runsc"),
            Program("gvisor.dev/gvisor/shim", "containerd-shim-runsc-v1"),
        ),
        (f"gvisor.dev/gvisor/runsc/version.version=release-{release}",),
        "gvisor.dev/gvisor" if tolerant else "",
    )


def find_go() -> Path | None:
    """Find a go command, in PATH or where its own installer puts it, that can build the components.

    One that is too old may fetch a newer one by itself (https://go.dev/doc/toolchain), unless it is Debian's.
    """
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists():
            argv = [candidate, "list", "-m"]
            output = run_program(argv, environment=_ENVIRONMENT, folder=CONTAINERD.folder, timeout_seconds=300)
            if output.returncode == 0:
                return Path(candidate)
    return None


class GoBuilder:
    """Builds components, or finds them built."""

    def __init__(self, cache: Cache, go: Path, on_event: OnEvent) -> None:
        self._cache = cache
        self._go = go
        self._on_event = on_event

    def build(self, component: Component) -> Path:
        """Return the folder with the component's programs."""
        make = partial(self._make, component)
        return self._cache.folder(component.name, self.ingredients(component), make)

    def ingredients(self, component: Component) -> Mapping[str, str]:
        """Name all that decides what a build gives."""
        files = {name: (component.folder / name).read_text() for name in ("go.mod", "go.sum", "tools.go")}
        return {
            **files,
            "go": self._run(component, ["version"], "ask go for its version"),
            "arguments": json.dumps([self._arguments(component), _ENVIRONMENT]),
            "programs": json.dumps([[program.package, program.path] for program in component.programs]),
            "patch": _SHIM_TOLERANT if component.tolerant_module else "",
        }

    def _make(self, component: Component, folder: Path) -> None:
        source = folder.with_name(f"{folder.name}.source")
        extra = self._tolerant_copy(component, source) if component.tolerant_module else []
        for number, program in enumerate(component.programs, 1):
            what = f"building {component.name}, {number} of {len(component.programs)}: {Path(program.path).name}"
            with step(self._on_event, what):
                arguments = ["build", *self._arguments(component), *extra, "-o", str(folder / program.path)]
                self._run(component, [*arguments, program.package], f"build {program.package}")
        shutil.rmtree(source, ignore_errors=True)

    def _arguments(self, component: Component) -> Sequence[str]:
        values = " ".join(f"-X {value}" for value in component.values)
        return [*_FLAGS, "-ldflags", f"-s -w {values}".strip()]

    def _tolerant_copy(self, component: Component, source: Path) -> list[str]:
        """Copy the module, let its shim go on when it may not lower its OOM score, and use the copy.

        `go build -overlay` would need no copy, but refuses to replace a file of the module cache.
        """
        found = self._run(component, ["list", "-m", "-f", "{{.Dir}}", component.tolerant_module], "find gVisor")
        if not found.strip():  # not in the module cache yet
            self._run(component, ["mod", "download", component.tolerant_module], "download gVisor")
            return self._tolerant_copy(component, source)
        module = source / "module"
        shutil.copytree(found.strip(), module, copy_function=shutil.copyfile)  # the cache's modes are read-only
        shim = module / _SHIM_SOURCE
        shim.parent.chmod(0o755)
        text = shim.read_text()
        if text.count(_SHIM_STRICT) != 1:
            raise NodeprovError(f"{component.name}: {_SHIM_SOURCE} is not the source that the lab knows to patch")
        shim.write_text(text.replace(_SHIM_STRICT, _SHIM_TOLERANT))
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(component.folder / name, source / name)
        replace = f"-replace={component.tolerant_module}={module}"
        self._run(component, ["mod", "edit", replace, str(source / "go.mod")], "use the copy")
        return [f"-modfile={source / 'go.mod'}"]

    def _run(self, component: Component, arguments: Sequence[str], doing: str) -> str:
        return run_checked(
            ending_with_us([str(self._go), *arguments]),
            f"cannot {doing}",
            timeout_seconds=_BUILD_TIMEOUT_SECONDS,
            environment=_ENVIRONMENT,
            folder=component.folder,
        )
