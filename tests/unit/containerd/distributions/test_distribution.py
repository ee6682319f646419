"""Which file of a distribution is edited."""

from __future__ import annotations

import pytest

from nodeprov.containerd.distributions.distribution import How, source_of
from nodeprov.containerd.distributions.profiles import K0S, K3S, MICROK8S
from tests.support.distributions import K0S_CONFIG, K3S_CONFIG, of


@pytest.mark.parametrize(
    ("major", "there", "chosen"),
    [
        (2, (), "config-v3.toml.tmpl"),
        (2, ("config-v3.toml.tmpl",), "config-v3.toml.tmpl"),
        (2, ("config.toml.tmpl",), "config.toml.tmpl"),
        (2, ("config-v3.toml.tmpl", "config.toml.tmpl"), "config-v3.toml.tmpl"),
        (1, (), "config.toml.tmpl"),
        (1, ("config-v3.toml.tmpl", "config.toml.tmpl"), "config.toml.tmpl"),
    ],
)
def test_the_template_that_k3s_reads_is_the_one_that_is_edited(
    major: int, there: tuple[str, ...], chosen: str
) -> None:
    folder = K3S_CONFIG.rpartition("/")[0]
    found = {f"{folder}/{name}": of("# theirs\n") for name in there}
    source = source_of(K3S, K3S_CONFIG, "version = 3\n", (major,), "runsc", found)
    assert source is not None
    assert source.path == f"{folder}/{chosen}"
    assert (source.version, source.how) == (3 if "v3" in chosen else 2, How.GO_TEMPLATE)
    assert (source.state is not None) == (chosen in there)


def test_a_file_that_k0s_does_not_manage_is_edited_itself() -> None:
    assert source_of(K0S, K0S_CONFIG, "version = 3\n", (2,), "runsc", {}) is None


@pytest.mark.parametrize(
    "head", ["# k0s_managed=true\n", "\n# k0s_managed=true\n", "# ours\n# k0s_managed=true\n"]
)
def test_a_file_that_k0s_manages_has_that_line_anywhere(head: str) -> None:
    source = source_of(K0S, K0S_CONFIG, f"{head}version = 3\n", (2, 1, 9), "runsc", {})
    assert source is not None
    assert source.path == "/etc/k0s/containerd.d/nodeprov-runsc.toml"


@pytest.mark.parametrize("snap", ["microk8s", "microk8s_edge"])
def test_the_template_of_a_snap_is_that_of_its_own_instance(snap: str) -> None:
    config = f"/var/snap/{snap}/7000/args/containerd.toml"
    source = source_of(MICROK8S, config, "version = 2\n", (1, 7, 35), "runsc", {})
    assert source is not None
    assert source.path == f"/var/snap/{snap}/current/args/containerd-template.toml"
