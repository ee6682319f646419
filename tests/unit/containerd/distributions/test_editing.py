"""Our table in a distribution's file that is TOML."""

from __future__ import annotations

import tomllib

import pytest

from nodeprov.containerd.distributions import editing
from nodeprov.containerd.distributions.distribution import How, source_of
from nodeprov.containerd.distributions.profiles import K0S, MICROK8S
from nodeprov.states import FileState
from tests.support.distributions import K0S_CONFIG, MANAGED, RUNSC, of


@pytest.mark.parametrize(("major", "version"), [(2, 3), (1, 2)])
def test_k0s_gets_a_drop_in_of_its_containerds_version(major: int, version: int) -> None:
    source = source_of(K0S, K0S_CONFIG, MANAGED, major, "runsc", {})
    assert source is not None
    assert (source.path, source.version) == ("/etc/k0s/containerd.d/nodeprov-runsc.toml", version)
    made = editing.added(source, None, RUNSC, ())
    assert tomllib.loads(made.content.decode())["version"] == version
    assert editing.removed(How.DROP_IN, made, RUNSC, ()) is None


def test_a_drop_in_of_an_older_version_is_written_anew() -> None:
    old = source_of(K0S, K0S_CONFIG, MANAGED, 1, "runsc", {})
    new = source_of(K0S, K0S_CONFIG, MANAGED, 2, "runsc", {})
    assert old is not None
    assert new is not None
    assert editing.added(new, editing.added(old, None, RUNSC, ()), RUNSC, ()) == editing.added(
        new, None, RUNSC, ()
    )


def test_what_others_wrote_into_the_drop_in_stays() -> None:
    source = source_of(K0S, K0S_CONFIG, MANAGED, 2, "runsc", {})
    assert source is not None
    theirs = FileState(b"version = 3\n\n[debug]\nlevel = 'debug'\n", 0o600)
    made = editing.added(source, theirs, RUNSC, ())
    assert made.content.startswith(theirs.content)
    assert made.mode == 0o600
    assert editing.removed(How.DROP_IN, made, RUNSC, ()) == theirs


def test_microk8ss_template_is_toml_with_placeholders_that_stay() -> None:
    path = "/var/snap/microk8s/current/args/containerd-template.toml"
    text = (
        'version = 2\noom_score = 0\n\n[plugins."io.containerd.grpc.v1.cri".containerd]\n'
        'snapshotter = "overlayfs"\n\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n'
        'runtime_type = "${RUNTIME_TYPE}"\n'
    )
    config = "/var/snap/microk8s/7000/args/containerd.toml"
    source = source_of(MICROK8S, config, text, 1, "runsc", {path: of(text)})
    assert source is not None
    assert source.path == path
    made = editing.added(source, source.state, RUNSC, ())
    assert made.content.startswith(text.encode())
    runtimes = tomllib.loads(made.content.decode())["plugins"]["io.containerd.grpc.v1.cri"]["containerd"][
        "runtimes"
    ]
    assert runtimes["runsc"]["runtime_path"] == RUNSC.runtime_path
    assert editing.removed(How.IN_PLACE, made, RUNSC, ()) == source.state
