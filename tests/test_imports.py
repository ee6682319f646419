from __future__ import annotations

import pytest

from nodeprov.containerd.imports import drop_in_overrides, import_patterns, is_glob, matches, missing_imports
from nodeprov.containerd.tables import Refused

CONFIG = "/etc/containerd/config.toml"
V2, V3 = '"io.containerd.grpc.v1.cri"', '"io.containerd.cri.v1.runtime"'


@pytest.mark.parametrize(
    ("imports", "patterns"),
    [
        ('["/etc/containerd/conf.d/*.toml"]', ("/etc/containerd/conf.d/*.toml",)),
        ('["conf.d/*.toml"]', ("/etc/containerd/conf.d/*.toml",)),
        ('["./x/../site.toml", "/a//b/./c.toml"]', ("/etc/containerd/site.toml", "/a/b/c.toml")),
        ('["../common/x.toml", "//twice.toml"]', ("/etc/common/x.toml", "/twice.toml")),
        ("[]", ()),
        ("[\n  'a.toml', # one\n  'b.toml',\n]", ("/etc/containerd/a.toml", "/etc/containerd/b.toml")),
    ],
)
def test_imports_are_absolute_and_relative_ones_lie_beside_the_file(
    imports: str, patterns: tuple[str, ...]
) -> None:
    assert import_patterns(f"version = 2\nimports = {imports}\n", CONFIG) == patterns


def test_a_file_without_imports_and_an_empty_one_import_nothing() -> None:
    assert import_patterns("version = 2\n", CONFIG) == ()
    assert import_patterns("", CONFIG) == ()


@pytest.mark.parametrize("imports", ['"conf.d/*.toml"', "[1]", "true"])
def test_imports_that_containerd_cannot_decode_are_refused(imports: str) -> None:
    with pytest.raises(Refused, match="not a list of strings"):
        import_patterns(f"imports = {imports}", CONFIG)


@pytest.mark.parametrize(
    ("pattern", "path", "is_imported"),
    [
        ("/c/*.toml", "/c/x.toml", True),
        ("/c/*.toml", "/c/.hidden.toml", True),
        ("/c/*.toml", "/c/d/x.toml", False),
        ("/c/*.toml", "/c/x.toml.nodeprov", False),
        ("/c/*", "/c/.config.toml.nodeprov", True),
        ("/*/x.toml", "/c/x.toml", True),
        ("/c/[^a]*.toml", "/c/b.toml", True),
        ("/c/[^a]*.toml", "/c/a.toml", False),
        ("/c/[0-9]?-*.toml", "/c/99-nvidia.toml", True),
        ("/c/[0-9]?-*.toml", "/c/x9-nvidia.toml", False),
        (r"/c/\**.toml", "/c/*x.toml", True),
        (r"/c/\**.toml", "/c/x.toml", False),
        ("/c/a+b*.toml", "/c/a+b.toml", True),
        ("/c/?.toml", "/c/x.toml", False),
        ("/c/?.toml", "/c/?.toml", True),
    ],
)
def test_a_pattern_finds_what_go_finds_by_it(pattern: str, path: str, is_imported: bool) -> None:
    assert matches(pattern, path) is is_imported


def test_only_a_star_makes_a_glob() -> None:
    assert is_glob("/c/*.toml")
    assert not is_glob("/c/[a]?.toml")


def test_a_plain_import_that_is_not_there_is_missing_and_an_empty_glob_is_not() -> None:
    patterns = ("/c/site.toml", "/c/gone.toml", "/nowhere/*.toml")
    assert missing_imports(patterns, {"/c/site.toml": "version = 2"}) == ("/c/gone.toml",)


def drop_in(plugin: str, below: str = ".containerd.runtimes.runsc") -> str:
    return f"version = 2\n\n[plugins.{plugin}{below}]\nx = 'y'\n"


def test_a_drop_in_that_declares_the_handler_is_named_with_its_line() -> None:
    files = {"/c/a.toml": drop_in(V2), "/c/b.toml": drop_in(V3), "/c/c.toml": drop_in(V3, ".cni")}
    assert drop_in_overrides(files, "runsc", "2.4.2") == (
        f"/c/a.toml line 3 declares [plugins.{V2}.containerd.runtimes.runsc] too",
        f"/c/b.toml line 3 declares [plugins.{V3}.containerd.runtimes.runsc] too",
    )


def test_on_1x_a_drop_in_with_any_part_of_the_section_takes_the_whole_section_away() -> None:
    files = {"/c/nvidia.toml": drop_in(V2, ".containerd.runtimes.nvidia"), "/c/debug.toml": "[debug]\n"}
    (said,) = drop_in_overrides(files, "runsc", "1.7.29")
    assert said.startswith("/c/nvidia.toml line 3: containerd 1.x")
    assert drop_in_overrides(files, "runsc", "2.0.0") == ()


def test_a_drop_in_that_is_no_toml_is_named() -> None:
    (said,) = drop_in_overrides({"/c/a.toml": "[x\n"}, "runsc", "2.4.2")
    assert said.startswith("/c/a.toml is not valid TOML")
