"""Our table comes into a configuration and goes out of it, and every other byte stays."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nodeprov.containerd import RUNTIMES_PATHS, Config, Refused, add_runtime, decode, remove_runtime
from nodeprov.containerd.edit import drop_in_path, drop_in_text
from tests.support.containerd_texts import RUNSC, V2, V3, block
from tests.support.runtimes import config_path, runsc

GOLDEN = Path(__file__).parents[2] / "golden" / "containerd"


def read(name: str) -> str:
    return decode((GOLDEN / name).read_bytes())


def test_a_table_of_ours_for_another_generation_is_brought_up_to_date_in_its_place() -> None:
    text = f"version = 3\n{block()}\n[debug]\nlevel = 'info'\n".replace("/current/", "/0123456789ab/")
    assert add_runtime(text, RUNSC) == f"version = 3\n{block()}\n[debug]\nlevel = 'info'\n"


def test_a_table_written_below_another_prefix_is_ours_if_it_is_said() -> None:
    old = runsc("runsc", "/data/handlers/runsc/current/containerd-shim-runsc-v1", "/data/handlers/runsc/current/t")
    text = f"version = 3\n{block(old)}"
    with pytest.raises(Refused, match="was not written by nodeprov"):
        add_runtime(text, RUNSC)
    assert add_runtime(text, RUNSC, [old]) == f"version = 3\n{block()}"
    assert remove_runtime(text, RUNSC, [old]) == "version = 3\n"


def test_what_others_added_to_our_table_stays_when_it_is_updated() -> None:
    theirs = block().replace("/current/", "/old/").replace('.v1"\n', '.v1"\nsnapshotter = "zfs" # theirs\n', 1)
    updated = add_runtime(f"version = 3\n{theirs}", RUNSC)
    assert updated == f"version = 3\n{theirs}".replace("/old/", "/current/")


def test_what_others_added_to_our_table_is_no_reason_to_write_it() -> None:
    text = f"version = 3\n{block()}".replace("[plugins", 'root = "/r"\n[plugins', 1) + "Extra = 1\n"
    assert add_runtime(text, RUNSC) == text


def test_an_inline_table_of_ours_is_brought_up_to_date() -> None:
    text = add_runtime(read("inline-runtimes.toml"), RUNSC)
    assert add_runtime(text.replace("/current/", "/old/"), RUNSC) == text


def test_pod_annotations_are_written_and_taken_away_again() -> None:
    annotated = runsc("runsc", RUNSC.runtime_path, config_path(RUNSC), ("dev.gvisor.*",))
    text = add_runtime("version = 3\n", annotated)
    found = Config(text).declared("runsc")
    assert found is not None
    assert found["pod_annotations"] == ["dev.gvisor.*"]
    assert Config(add_runtime(text, RUNSC, [annotated])).declared("runsc") == RUNSC.table()


def test_two_handlers_come_and_go_independently() -> None:
    kvm = runsc(
        "runsc-kvm", "/opt/nodeprov/handlers/runsc-kvm/current/s", "/opt/nodeprov/handlers/runsc-kvm/current/t"
    )
    both = add_runtime(add_runtime("version = 2\n", RUNSC), kvm)
    assert remove_runtime(both, RUNSC) == add_runtime("version = 2\n", kvm)
    assert remove_runtime(both, kvm) == add_runtime("version = 2\n", RUNSC)


def test_a_rewritten_file_without_comments_loses_our_table_only() -> None:
    rewritten = (
        f"version = 2\n\n[plugins]\n\n  {block(runtimes=V2)}\n  [plugins.{V2}.runc]\n    runtime_type = 'x'\n"
    )
    assert (
        remove_runtime(rewritten, RUNSC)
        == f"version = 2\n\n[plugins]\n\n\n  [plugins.{V2}.runc]\n    runtime_type = 'x'\n"
    )


def test_our_table_made_of_dotted_keys_is_taken_out() -> None:
    ours = RUNSC.table()
    runsc = f"plugins.{V3}.runsc"
    text = (
        f"version = 3\nplugins.{V3}.runc.runtime_type = 'x' # kept\n"
        f"{runsc}.runtime_type = '{ours['runtime_type']}'\n{runsc}.runtime_path = '{RUNSC.runtime_path}'\n"
        f"{runsc}.options.ConfigPath = '{config_path(RUNSC)}'\n[debug]\n"
    )
    left = f"version = 3\nplugins.{V3}.runc.runtime_type = 'x' # kept\n[debug]\n"
    assert remove_runtime(text, RUNSC) == left


def test_a_table_of_somebody_else_stays() -> None:
    text = f'version = 3\n[plugins.{V3}.runsc]\nruntime_type = "io.containerd.runsc.v1"\n'
    assert remove_runtime(text, RUNSC) == text


def test_a_dead_table_of_ours_is_removed_too() -> None:
    assert remove_runtime(f"version = 3\n{block(runtimes=V2)}", RUNSC) == "version = 3\n"


REFUSED = {
    "another's table": (
        f'version = 3\n\n[plugins.{V3}.runsc]\nruntime_type = "io.containerd.runsc.v1"\n'
        f'runtime_path = "/usr/local/bin/containerd-shim-runsc-v1"\n',
        r"\(line 3\) was not written by nodeprov: .*runtime_path = '/usr/local/bin/containerd-shim-runsc-v1'",
    ),
    "our shim with a file of theirs": (
        f"version = 3\n{block()}".replace(config_path(RUNSC), "/etc/containerd/runsc.toml"),
        "ConfigPath = '/etc/containerd/runsc.toml'",
    ),
    "a way out of our folder": (
        f"version = 3\n{block()}".replace("current", "../../x"),
        "was not written by nodeprov",
    ),
    "a table without a type": (f"version = 3\n[plugins.{V3}.runsc]\n", "it has no runtime_type"),
    "disabled_plugins that is no list": ("version = 2\ndisabled_plugins = 3\n[plugins]\nx = {", "not valid TOML"),
    "version 5": ("version = 5\n", "states version 5"),
    "a version in quotes": ('version = "3"\n', "'3' is not a number"),
    "a version that is true": ("version = true\n", "not a number"),
    "the CRI plugin disabled": (
        '# Docker\nversion = 2\n\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n',
        r"disabled_plugins names io.containerd.grpc.v1.cri \(line 4\)",
    ),
    "the CRI plugin disabled by its short name": ('version = 2\ndisabled_plugins = ["cri"]\n', "names cri"),
    "its images disabled": ('version = 3\ndisabled_plugins = ["io.containerd.cri.v1.images"]\n', "cri.v1.images"),
    "SELinux": (
        'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\n  enable_selinux = true # required\n',
        r"enable_selinux = true \(line 3\).*gvisor#8747",
    ),
    "no TOML": ("version = 3\n[plugins\n", "not valid TOML.*line 2"),
    "a table twice": ("version = 3\n[debug]\n[debug]\n", "not valid TOML"),
    "a template of k3s": ('{{ template "base" . }}\n', "not valid TOML"),
    "plugins that are a list of tables": ("version = 3\n[[plugins]]\n", "plugins is not a table"),
    "a nesting that no parser follows": (f"version = 3\na = {'[' * 9000}{']' * 9000}\n", "not valid TOML"),
    "runtimes that are no table": (
        'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd]\nruntimes = 1\n',
        "runtimes is not a table",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_edited_or_cannot_run_is_refused_with_the_reason_and_a_way_out(
    text: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        add_runtime(text, RUNSC)
    assert refused.value.hint


def test_bytes_that_are_no_utf8_are_refused_with_their_line() -> None:
    with pytest.raises(Refused, match="line 2 is not UTF-8"):
        decode(b"version = 3\n# caf\xe9\n")


def test_a_file_of_five_megabytes_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match="it has 5120 KiB, more than any configuration"):
        decode(b"\xff" * (5 << 20))


def test_a_file_of_a_megabyte_is_edited_in_time_by_its_length() -> None:
    text = "version = 3\na = [\n" + "  'x', # why\n" * 20_000 + "]\n"
    assert remove_runtime(add_runtime(text, RUNSC), RUNSC) == text


def test_settings_that_are_of_another_type_are_left_to_containerd() -> None:
    assert Config(add_runtime("version = 3\ndisabled_plugins = 3\n", RUNSC)).declared("runsc") == RUNSC.table()


@pytest.mark.parametrize("version", ["", "version = 1\n"])
def test_a_file_of_version_1_is_edited_at_its_own_place(version: str) -> None:
    text = f"{version}[plugins.cri.containerd.runtimes.runc]\nruntime_type = 'x'\n"
    added = add_runtime(text, RUNSC)
    assert "[plugins.cri.containerd.runtimes.runsc]\n" in added
    assert Config(added).declared("runsc") == RUNSC.table()
    assert remove_runtime(added, RUNSC) == text


def test_a_byte_order_mark_stays_where_it_is() -> None:
    text = "\ufeffversion = 2\r\n"
    added = add_runtime(decode(text.encode()), RUNSC)
    assert added.startswith("\ufeffversion = 2\r\n\r\n# added")
    assert remove_runtime(added, RUNSC) == text


@pytest.mark.parametrize("inline", ["{}", "{ }", "{ 'x' = { y = '}' } }", "{'x'.y = 1 , z.\"a\" = [{}, {}]}"])
def test_an_inline_table_takes_ours_in_and_gives_it_back(inline: str) -> None:
    text = f"version = 3\nplugins = {inline}# why\n"
    added = add_runtime(text, RUNSC)
    assert Config(added).declared("runsc") == RUNSC.table()
    assert remove_runtime(added, RUNSC) == text


INLINE = (
    "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes]\n"
    "runsc = { runtime_type = 'io.containerd.runsc.v1', runtime_path = '/x/handlers/runsc/1/shim', "
    "options = { ConfigPath = '/x/handlers/runsc/1/runsc.toml' } } # theirs\n"
)


def test_a_value_that_our_inline_table_lacks_is_put_beside_the_others() -> None:
    ours = runsc("runsc", "/x/handlers/runsc/2/shim", "/x/handlers/runsc/2/runsc.toml")
    updated = add_runtime(INLINE, ours)
    assert Config(updated).declared("runsc") == ours.table()
    assert updated.endswith(', TypeUrl = "io.containerd.runsc.v1.options" } } # theirs\n')


def test_a_value_that_our_table_lacks_is_put_on_a_line_as_the_others_are() -> None:
    text = f"version = 3\n{block()}".replace("\n", "\r\n").replace("TypeUrl", "  # theirs\r\n  #TypeUrl")
    text = text.replace("ConfigPath", "\tConfigPath").rstrip()
    assert add_runtime(text, RUNSC) == text + '\r\n\tTypeUrl = "io.containerd.runsc.v1.options"'


def test_a_value_that_our_dotted_keys_lack_is_a_dotted_key() -> None:
    runsc = f"plugins.{V3}.runsc"
    text = (
        f"version = 3\n{runsc}.runtime_type = 'io.containerd.runsc.v1'\n"
        f"{runsc}.runtime_path = '{RUNSC.runtime_path}'\n"
        f"{runsc}.options.ConfigPath = '{config_path(RUNSC)}'\n"
    )
    assert add_runtime(text, RUNSC) == f'{text}{runsc}.options.TypeUrl = "io.containerd.runsc.v1.options"\n'


CONFIG = "/etc/containerd/config.toml"


@pytest.mark.parametrize(
    ("imports", "path"),
    [
        ('["/etc/containerd/conf.d/*.toml"]', "/etc/containerd/conf.d/nodeprov-runsc.toml"),
        ('["site.toml", "conf.d/*.toml"]', "/etc/containerd/conf.d/nodeprov-runsc.toml"),
        ('["/a/*.toml", "/b/*.toml"]', "/a/nodeprov-runsc.toml"),
        ('["/a/*/*.toml", "/a/runtime_*.toml", "/a/*"]', None),
        ("[]", None),
    ],
)
def test_the_file_lies_in_the_first_folder_all_of_which_is_imported(imports: str, path: str | None) -> None:
    assert drop_in_path(CONFIG, Config(f"version = 3\nimports = {imports}\n"), "runsc") == path


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_file_declares_the_runtime_alone_in_the_version_of_the_configuration(version: int) -> None:
    text = drop_in_text(Config(f"version = {version}\nroot = '/r'\n"), RUNSC)
    assert Config(text).declared("runsc") == RUNSC.table()
    document = tomllib.loads(text)
    assert document.keys() == {"version", "plugins"}
    assert document["version"] == version
    assert list(document["plugins"]) == [RUNTIMES_PATHS[version][1]]
