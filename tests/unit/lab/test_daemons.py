from __future__ import annotations

import pytest

from nodeprov_lab.daemons import BUILT
from nodeprov_lab.gobuild import CONTAINERD, CONTAINERD_VERSION, CRIRUN, Component, containerd

EVERY = {CONTAINERD_VERSION: CONTAINERD, **{version: containerd(version) for version in BUILT}}


@pytest.mark.parametrize(("version", "component"), EVERY.items())
def test_a_containerd_is_built_from_the_version_that_it_says(version: str, component: Component) -> None:
    module = component.programs[0].package.removesuffix("/cmd/containerd")
    assert f"\nrequire {module} v{version}\n" in (component.folder / "go.mod").read_text()
    assert component.values == (f"{module}/version.Version=v{version}",)


@pytest.mark.parametrize("component", [*EVERY.values(), CRIRUN])
def test_all_that_is_downloaded_for_it_has_a_pinned_hash(component: Component) -> None:
    required = [
        line.split()[:2]
        for line in (component.folder / "go.mod").read_text().splitlines()
        if line.startswith("\t")
    ]
    pinned = (component.folder / "go.sum").read_text()
    assert required
    assert all(f"{module} {version} h1:" in pinned for module, version in required)


def test_the_lines_from_1_7_to_2_3_are_there() -> None:
    assert {version.rpartition(".")[0] for version in BUILT} == {"1.7", "2.0", "2.1", "2.2", "2.3"}
