"""The table of distributions: how each is known."""

from __future__ import annotations

import re

import pytest

from nodeprov.containerd.distributions.distribution import detect
from nodeprov.containerd.distributions.profiles import (
    K0S,
    K3S,
    MICROK8S,
    PLAIN,
    PROFILES,
    RKE2,
    named,
    origin_names,
)
from nodeprov.errors import UsageError
from nodeprov.inventory import syntax
from tests.support.distributions import K0S_CONFIG, K3S_CONFIG


@pytest.mark.parametrize(
    ("unit", "config", "profile"),
    [
        ("containerd.service", "/etc/containerd/config.toml", PLAIN),
        ("k3s.service", "/data/k3s/agent/etc/containerd/config.toml", K3S),
        ("my-cluster.service", K3S_CONFIG, K3S),
        ("k3s-agent.service", K3S_CONFIG, K3S),
        ("rke2-server.service", "/var/lib/rancher/rke2/agent/etc/containerd/config.toml", RKE2),
        ("rke2-agent.service", "/var/lib/rancher/rke2/agent/etc/containerd/config.toml", RKE2),
        ("k0sworker.service", K0S_CONFIG, K0S),
        ("k0scontroller.service", K0S_CONFIG, K0S),
        ("snap.microk8s.daemon-containerd.service", "/var/snap/microk8s/7000/args/containerd.toml", MICROK8S),
        ("docker.service", "/run/docker/containerd/containerd.toml", PLAIN),
    ],
)
def test_a_distribution_is_known_by_its_unit_or_its_file(unit: str, config: str, profile: object) -> None:
    assert detect(PROFILES, unit, config) == profile


def test_the_setting_knows_every_profile() -> None:
    assert all(syntax.DISTRIBUTION.accepts(profile.name) for profile in PROFILES)
    assert [named(profile.name) for profile in PROFILES] == list(PROFILES)
    assert tuple(profile.name for profile in PROFILES) == syntax.DISTRIBUTIONS
    with pytest.raises(UsageError, match="there is no distribution 'minishift'"):
        named("minishift")


def test_every_pattern_is_one_and_every_origin_has_a_name() -> None:
    assert all(re.compile(profile.config) for profile in PROFILES)
    assert origin_names("kata") == (
        "config-v3.toml.tmpl",
        "config.toml.tmpl",
        "containerd.d/nodeprov-kata.toml",
        "/var/snap/microk8s/current/args/containerd-template.toml",
    )
