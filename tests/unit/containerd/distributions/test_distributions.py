from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.containerd import Refused, Runtime
from nodeprov.containerd.distributions import editing, go_template
from nodeprov.containerd.distributions.distribution import How, detect, source_of
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
from nodeprov.states import FileState

RUNSC = Runtime("runsc", "/opt/n/handlers/runsc/current/shim", "/opt/n/handlers/runsc/current/runsc.toml")
OLD = Runtime("runsc", "/srv/n/handlers/runsc/current/shim", "/srv/n/handlers/runsc/current/runsc.toml")
K3S_CONFIG = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
K0S_CONFIG = "/etc/k0s/containerd.toml"
MANAGED = "# k0s_managed=true\n# a placeholder\nversion = 3\nimports = ['/run/k0s/containerd-cri.toml']\n"
NEW_TEMPLATE = """\
{{ template "base" . }}

# added by nodeprov
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]
runtime_type = "io.containerd.runsc.v1"
runtime_path = "/opt/n/handlers/runsc/current/shim"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc.options]
TypeUrl = "io.containerd.runsc.v1.options"
ConfigPath = "/opt/n/handlers/runsc/current/runsc.toml"
"""


def of(text: str) -> tuple[FileState, float, str]:
    return FileState(text.encode(), 0o600), 1.0, ""


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
    assert {profile.name for profile in PROFILES} == set((syntax.DISTRIBUTION.pattern or "").split("|"))
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
    source = source_of(K3S, K3S_CONFIG, "version = 3\n", major, "runsc", found)
    assert source is not None
    assert source.path == f"{folder}/{chosen}"
    assert (source.version, source.how) == (3 if "v3" in chosen else 2, How.GO_TEMPLATE)
    assert (source.state is not None) == (chosen in there)


@pytest.mark.parametrize(("major", "version"), [(2, 3), (1, 2)])
def test_k0s_gets_a_drop_in_of_its_containerds_version(major: int, version: int) -> None:
    source = source_of(K0S, K0S_CONFIG, MANAGED, major, "runsc", {})
    assert source is not None
    assert (source.path, source.version) == ("/etc/k0s/containerd.d/nodeprov-runsc.toml", version)
    made = editing.added(source, None, RUNSC, ())
    assert tomllib.loads(made.content.decode())["version"] == version
    assert editing.removed(How.DROP_IN, made, RUNSC, ()) is None


def test_a_file_that_k0s_does_not_manage_is_edited_itself() -> None:
    assert source_of(K0S, K0S_CONFIG, "version = 3\n", 2, "runsc", {}) is None


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


class TestGoTemplates:
    def test_a_new_one_names_the_base_and_copies_nothing_of_it(self) -> None:
        assert go_template.add(None, 3, RUNSC) == NEW_TEMPLATE

    def test_a_template_for_version_2_has_version_2s_table(self) -> None:
        assert '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]' in go_template.add(None, 2, RUNSC)

    def test_a_full_copy_without_the_base_is_what_its_own_version_says(self) -> None:
        made = go_template.add("version = 2\n\n[debug]\nlevel = 'debug'\n", 3, RUNSC)
        assert '[plugins."io.containerd.grpc.v1.cri"' in made

    @pytest.mark.parametrize(
        "theirs",
        [
            '{{ template "base" . }}\n',
            '{{ template "base" . }}\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]\nx = 1\n',
            '{{- template "base" . -}}\r\n# a comment\r\n',
            "{{ if .IsRunningInUserNS }}\n[a]\n{{ else }}\n[b]\n{{ end }}\n",
            '{{/* if range */}}{{ range $k, $v := .ExtraRuntimes }}["{{$k}}"]\nx = "{{ "}}" }}"\n{{ end }}\n',
        ],
    )
    def test_what_is_there_stays_and_comes_back_byte_for_byte(self, theirs: str) -> None:
        made = go_template.add(theirs, 3, RUNSC)
        assert made.startswith(theirs)
        assert go_template.add(made, 3, RUNSC) == made
        assert go_template.declares(made, RUNSC)
        assert go_template.remove(made, (RUNSC,)) == theirs

    @given(theirs=st.text(alphabet="ab[]{}#=\n\"' .-", max_size=60))
    def test_whatever_is_there_is_kept_or_refused(self, theirs: str) -> None:
        try:
            made = go_template.add(theirs, 3, RUNSC)
        except Refused:
            return
        assert made.startswith(theirs)
        assert go_template.remove(made, (RUNSC,)).removesuffix("\n") == theirs.removesuffix("\n")

    def test_the_table_of_an_earlier_prefix_gives_way(self) -> None:
        made = go_template.add(go_template.add(None, 3, OLD), 3, RUNSC, (OLD,))
        assert made == NEW_TEMPLATE

    @pytest.mark.parametrize(
        ("theirs", "said"),
        [
            ("{{ if .NodeConfig }}\n[a]\n", "the template ends inside {{ if }}"),
            ('{{ define "x" }}\n{{ range .Y }}{{ end }}\n', "the template ends inside {{ define }}"),
            (NEW_TEMPLATE.replace("/opt/n/", "/elsewhere/"), "was not written by nodeprov, or was changed since"),
            (
                "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.\"runsc\"]\n",
                "was not written by nodeprov, or was changed since",
            ),
        ],
    )
    def test_what_cannot_be_appended_to_is_refused(self, theirs: str, said: str) -> None:
        with pytest.raises(Refused, match=re.escape(said)) as caught:
            go_template.add(theirs, 3, RUNSC)
        assert caught.value.hint

    def test_a_template_that_only_named_the_base_is_taken_away_again(self) -> None:
        made = FileState(NEW_TEMPLATE.encode(), 0o644)
        assert editing.removed(How.GO_TEMPLATE, made, RUNSC, ()) is None

    def test_a_template_of_others_stays_without_our_table(self) -> None:
        theirs = FileState(b'{{ template "base" . }}\n[debug]\n', 0o600)
        source = source_of(K3S, K3S_CONFIG, "", 2, "runsc", {})
        assert source is not None
        made = editing.added(source, theirs, RUNSC, ())
        assert editing.removed(How.GO_TEMPLATE, made, RUNSC, ()) == theirs
