"""What containerd's configuration is made of is edited, state to state, a Go template as text."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.containerd import RUNTIMES_PATHS, Refused, Runtime
from nodeprov.containerd.distributions import editing
from nodeprov.containerd.distributions.distribution import How, Source, source_of
from nodeprov.containerd.distributions.profiles import K0S, K3S, MICROK8S
from nodeprov.states import FileState
from nodeprov.toml import key_text
from tests.support.distributions import K0S_CONFIG, K3S_CONFIG, MANAGED, OLD, RUNSC, of
from tests.support.runtimes import runsc

OF_A, OF_B = (
    runsc("runsc", f"/opt/n/handlers/runsc/{digest}/shim", f"/opt/n/handlers/runsc/{digest}/runsc.toml")
    for digest in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
)
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

    @pytest.mark.parametrize("then", [OF_A, OF_B, RUNSC])
    @pytest.mark.parametrize("now", [OF_A, OF_B, RUNSC])
    def test_the_table_of_another_generation_gives_way_as_in_toml(self, then: Runtime, now: Runtime) -> None:
        """In strict mode a table names its generation: an upgrade, a rollback, and strict turned on and off."""
        theirs = f"{editing.BASE}# of others\n"
        before, after = (editing.add_to_template(theirs, 3, each) for each in (then, now))
        assert editing.add_to_template(before, 3, now) == after
        assert editing.template_declares(before, now)
        assert editing.remove_from_template(before, (now,)) == theirs
        made = [f"version = 3\n# of others\n{text.removeprefix(theirs)}" for text in (before, after)]
        assert editing.expanded(How.GO_TEMPLATE, made[0], before, after, (now,)) == made[1]

    def test_a_table_with_other_annotations_is_ours_where_it_was_written_so(self) -> None:
        """[runtime] mount_hints turned on, and off again; what somebody has put there by hand is theirs."""
        hinted = replace(RUNSC, pod_annotations=("dev.gvisor.spec.mount.*",))
        before, after = (editing.add_to_template(None, 3, each) for each in (RUNSC, hinted))
        assert editing.add_to_template(before, 3, hinted, (RUNSC,)) == after
        assert editing.add_to_template(after, 3, RUNSC, (hinted,)) == before
        made = [f"version = 3\n{text.removeprefix(editing.BASE)}" for text in (before, after)]
        assert editing.expanded(How.GO_TEMPLATE, made[0], before, after, (hinted,)) == made[1]
        assert editing.expanded(How.GO_TEMPLATE, made[1], after, before, (RUNSC,)) == made[0]
        with pytest.raises(Refused, match="was not written by nodeprov, or was changed since"):
            editing.add_to_template(after.replace("dev.gvisor", "dev.mine"), 3, RUNSC, (hinted,))

    @pytest.mark.parametrize(
        ("theirs", "said"),
        [
            ("{{ if .NodeConfig }}\n[a]\n", "the template ends inside {{ if }}"),
            ('{{ define "x" }}\n{{ range .Y }}{{ end }}\n', "the template ends inside {{ define }}"),
            (NEW_TEMPLATE.replace("/opt/n/", "/elsewhere/"), "was not written by nodeprov, or was changed since"),
            (
                "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.\"runsc\"]\n",
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
        source = source_of(K3S, K3S_CONFIG, "", (2, 4, 2), "runsc", {})
        assert source is not None
        made = editing.added(source, theirs, RUNSC, ())
        assert editing.removed(How.GO_TEMPLATE, made, RUNSC, ()) == theirs


@pytest.mark.parametrize(("major", "version"), [(2, 3), (1, 2)])
def test_k0s_gets_a_drop_in_of_its_containerds_version(major: int, version: int) -> None:
    source = source_of(K0S, K0S_CONFIG, MANAGED, (major, 4, 2) if major == 2 else (major, 7, 35), "runsc", {})
    assert source is not None
    assert (source.path, source.version) == ("/etc/k0s/containerd.d/nodeprov-runsc.toml", version)
    made = editing.added(source, None, RUNSC, ())
    assert tomllib.loads(made.content.decode())["version"] == version
    assert editing.removed(How.DROP_IN, made, RUNSC, ()) is None


def test_a_drop_in_of_an_older_version_is_written_anew() -> None:
    old = source_of(K0S, K0S_CONFIG, MANAGED, (1, 7, 35), "runsc", {})
    new = source_of(K0S, K0S_CONFIG, MANAGED, (2, 4, 2), "runsc", {})
    assert old is not None
    assert new is not None
    assert editing.added(new, editing.added(old, None, RUNSC, ()), RUNSC, ()) == editing.added(
        new, None, RUNSC, ()
    )


def test_what_others_wrote_into_the_drop_in_stays() -> None:
    source = source_of(K0S, K0S_CONFIG, MANAGED, (2, 4, 2), "runsc", {})
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
    source = source_of(MICROK8S, config, text, (1, 7, 35), "runsc", {path: of(text)})
    assert source is not None
    assert source.path == path
    made = editing.added(source, source.state, RUNSC, ())
    assert made.content.startswith(text.encode())
    runtimes = tomllib.loads(made.content.decode())["plugins"]["io.containerd.grpc.v1.cri"]["containerd"][
        "runtimes"
    ]
    assert runtimes["runsc"]["runtime_path"] == RUNSC.runtime_path
    assert editing.removed(How.IN_PLACE, made, RUNSC, ()) == source.state


OTHER = '[plugins.cri.containerd.runtimes.other]\nruntime_type = "io.containerd.runc.v2"\n'
BASE_3 = "# File generated by k3s.\nversion = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\nenable_cdi = true\n"
V1, V2, V3 = (key_text(RUNTIMES_PATHS[version]) for version in (1, 2, 3))


def template(
    text: str | None, made: str | None, version: tuple[int, ...] = (2, 4, 2), name: str = "config.toml.tmpl"
) -> Source:
    """A template of k3s, and the file that was made of it if it has not changed since."""
    path = f"{K3S_CONFIG.rpartition('/')[0]}/{name}"
    found = {} if text is None else {path: (FileState(text.encode(), 0o600), 1.0, "")}
    source = source_of(K3S, K3S_CONFIG, made or "", version, "runsc", found, None if made is None else 2.0)
    assert source is not None
    return source


class TestTheVersionOfATemplate:
    @pytest.mark.parametrize(
        ("text", "made", "daemon", "place"),
        [
            (OTHER, OTHER, (2, 4, 2), V1),
            (OTHER, None, (2, 4, 2), V1),
            (f"# see [metadata]\n[metadata]\nversion = 7\n{OTHER}", None, (2, 4, 2), V1),
            (f'[{V2}.other]\nruntime_type = "x"\n', None, (2, 4, 2), V2),
            (f'[{V3}.other]\nruntime_type = "x"\n', None, (2, 1, 9), V3),
            ("version = 2\n\n[debug]\nlevel = 'debug'\n", None, (2, 4, 2), V2),
            ('{{ template "base" . }}\n[debug]\n', None, (2, 4, 2), V2),
            ('{{ template "base" . }}\n[debug]\n', f"{BASE_3}\n[debug]\n", (2, 4, 2), V3),
            (None, BASE_3, (2, 4, 2), V3),
            (None, None, (2, 4, 2), V3),
            (None, None, (1, 7, 35), V2),
            ("{{ if .X }}\nversion = 3\n{{ end }}\n[debug]\n", "version = 2\n[debug]\n", (2, 4, 2), V2),
            ("version = 3\n{{ .Plugins }}\n", "version = 3\n", (2, 4, 2), V3),
        ],
    )
    def test_is_that_of_the_file_which_is_made_of_it(
        self, text: str | None, made: str | None, daemon: tuple[int, ...], place: str
    ) -> None:
        source = template(text, made, daemon)
        added = editing.added(source, source.state, RUNSC, ())
        assert f"[{place}.runsc]" in added.content.decode()
        assert editing.removed(How.GO_TEMPLATE, added, RUNSC, ()) == source.state
        again = made and editing.expanded(How.GO_TEMPLATE, made, text, added.content.decode(), (RUNSC,))
        assert editing.added(replace(source, state=added, made=again), added, RUNSC, ()) == added

    @pytest.mark.parametrize(
        ("text", "made", "daemon", "said"),
        [
            (OTHER, OTHER, (2, 1, 9), "states no version, and containerd 2.1 then ignores [plugins.cri] (line 1)"),
            (f"{OTHER}[{V2}.a]\nx = 1\n", None, (2, 4, 2), "states no version, and has the CRI plugin's settings"),
            ("{{ .Plugins }}\n", None, (2, 4, 2), "the template states no version, and has changed since"),
            ("version = 2\n", "version = 2\n", (1, 7, 35), "declares no runtime: with ours containerd 1.7.35"),
            (
                "{{ .Plugins }}\n",
                f"version = 3\n[{V3}.runsc]\nruntime_type = 'x'\n",
                (2, 4, 2),
                "was not written by nodeprov",
            ),
        ],
    )
    def test_is_refused_where_our_table_would_be_read_by_chance_or_not_at_all(
        self, text: str, made: str | None, daemon: tuple[int, ...], said: str
    ) -> None:
        source = template(text, made, daemon)
        with pytest.raises(Refused, match=re.escape(said)) as caught:
            editing.added(source, source.state, RUNSC, ())
        assert caught.value.hint

    def test_a_dead_table_of_somebody_else_is_left(self) -> None:
        text = f"version = 3\n[{V3}.runc]\nx = 1\n[{V2}.runsc]\nruntime_type = 'x'\n"
        source = template(text, text)
        assert editing.added(source, source.state, RUNSC, ()).content.decode().startswith(text)


@pytest.mark.parametrize(("version", "served"), [("2.4.2", V2), ("2.1.9", ""), ("1.7.35", V1)])
def test_microk8ss_template_without_a_version_is_judged_as_this_containerd_reads_it(
    version: str, served: str
) -> None:
    """Beside version 2's section ours, as version 1 has it, was served in 12 of 20 starts of 2.4.2."""
    text = f'oom_score = 0\n\n[{V2}.runc]\nruntime_type = "io.containerd.runc.v2"\n'
    config = "/var/snap/microk8s/7000/args/containerd.toml"
    found = {"/var/snap/microk8s/current/args/containerd-template.toml": of(text)}
    parts = tuple(int(each) for each in version.split("."))
    source = source_of(MICROK8S, config, text, parts, "runsc", found, 2.0)
    assert source is not None
    if not served:
        with pytest.raises(Refused, match=r"states no version, and containerd 2\.1 then ignores"):
            editing.added(source, source.state, RUNSC, ())
        return
    made = editing.added(source, source.state, RUNSC, ())
    assert f"\n[{served}.runsc]\n" in made.content.decode()
    assert editing.removed(How.IN_PLACE, made, RUNSC, ()) == source.state


class TestWhatWillBeMade:
    """The very bytes, as text/template and sed make them."""

    TABLE = editing.add_to_template(None, 3, RUNSC).removeprefix('{{ template "base" . }}\n')

    @pytest.mark.parametrize(
        ("before", "made", "after", "expected"),
        [
            (None, BASE_3, f'{{{{ template "base" . }}}}\n{TABLE}', f"{BASE_3}\n{TABLE}"),
            ("a = 1\n", "a = 1\n", f"a = 1\n{TABLE}", f"a = 1\n{TABLE}"),
            ("a = {{ .A }}", "a = 1", f"a = {{{{ .A }}}}\n{TABLE}", f"a = 1\n{TABLE}"),
            (f"{{{{ .A }}}}\n{TABLE}", f"a = 1\n{TABLE}", "{{ .A }}\n", "a = 1\n"),
            (f'{{{{ template "base" . }}}}\n{TABLE}', f"{BASE_3}\n{TABLE}", None, f"{BASE_3}\n"),
            ("{{ .A }}\n[b]\n", "a = 1\n[c]\n", f"{{{{ .A }}}}\n[b]\n{TABLE}", None),
            (f"{{{{ .A }}}}\n{TABLE}", "a = 1\n", "{{ .A }}\n", None),
            ("{{ .A }}\n", "a = 1\n", f"{{{{ .B }}}}\n{TABLE}", None),
        ],
    )
    def test_of_a_template(self, before: str | None, made: str, after: str | None, expected: str | None) -> None:
        assert editing.expanded(How.GO_TEMPLATE, made, before, after, (RUNSC,)) == expected

    def test_of_what_sed_puts_values_in(self) -> None:
        before = 'version = 2\nroot = "${SNAP_DATA}/root"\n'
        made = 'version = 2\nroot = "/var/snap/root"\n'
        after = before + "[x]\n"
        assert editing.expanded(How.IN_PLACE, made, before, after, (RUNSC,)) == f"{made}[x]\n"
        assert editing.expanded(How.IN_PLACE, f"{made}[x]\n", after, before, (RUNSC,)) == made
        assert editing.expanded(How.IN_PLACE, "version = 2\n", before, after, (RUNSC,)) is None

    def test_of_a_drop_in_is_not_known(self) -> None:
        assert editing.expanded(How.DROP_IN, "", None, "x", (RUNSC,)) is None
