"""What containerd's configuration is made of is edited, state to state, a Go template as text."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.containerd import Refused
from nodeprov.containerd.distributions import editing
from nodeprov.containerd.distributions.distribution import How, source_of
from nodeprov.containerd.distributions.profiles import K0S, K3S, MICROK8S
from nodeprov.states import FileState
from tests.support.distributions import K0S_CONFIG, K3S_CONFIG, MANAGED, OLD, RUNSC, of

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


class TestGoTemplates:
    def test_a_new_one_names_the_base_and_copies_nothing_of_it(self) -> None:
        assert editing.add_to_template(None, 3, RUNSC) == NEW_TEMPLATE

    def test_a_template_for_version_2_has_version_2s_table(self) -> None:
        assert '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]' in editing.add_to_template(
            None, 2, RUNSC
        )

    def test_a_full_copy_without_the_base_is_what_its_own_version_says(self) -> None:
        made = editing.add_to_template("version = 2\n\n[debug]\nlevel = 'debug'\n", 3, RUNSC)
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
        made = editing.add_to_template(theirs, 3, RUNSC)
        assert made.startswith(theirs)
        assert editing.add_to_template(made, 3, RUNSC) == made
        assert editing.template_declares(made, RUNSC)
        assert editing.remove_from_template(made, (RUNSC,)) == theirs

    @given(theirs=st.text(alphabet="ab[]{}#=\n\"' .-", max_size=60))
    def test_whatever_is_there_is_kept_or_refused(self, theirs: str) -> None:
        try:
            made = editing.add_to_template(theirs, 3, RUNSC)
        except Refused:
            return
        assert made.startswith(theirs)
        assert editing.remove_from_template(made, (RUNSC,)).removesuffix("\n") == theirs.removesuffix("\n")

    def test_the_table_of_an_earlier_prefix_gives_way(self) -> None:
        made = editing.add_to_template(editing.add_to_template(None, 3, OLD), 3, RUNSC, (OLD,))
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
            editing.add_to_template(theirs, 3, RUNSC)
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
