"""Our table in a template of k3s or RKE2."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.containerd import Refused
from nodeprov.containerd.distributions import editing, go_template
from nodeprov.containerd.distributions.distribution import How, source_of
from nodeprov.containerd.distributions.profiles import K3S
from nodeprov.states import FileState
from tests.support.distributions import K3S_CONFIG, OLD, RUNSC

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
