from __future__ import annotations

import pytest

from nodeprov.containerd import Config, Refused
from nodeprov.containerd.import_patterns import import_patterns, is_glob, loading_order, matches, missing_imports

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
    assert import_patterns(Config(f"version = 2\nimports = {imports}\n"), CONFIG) == patterns


def test_a_file_without_imports_and_an_empty_one_import_nothing() -> None:
    assert import_patterns(Config("version = 2\n"), CONFIG) == ()
    assert import_patterns(Config(""), CONFIG) == ()


@pytest.mark.parametrize("imports", ['"conf.d/*.toml"', "[1]", "true"])
def test_imports_that_containerd_cannot_decode_are_refused(imports: str) -> None:
    with pytest.raises(Refused, match="not a list of strings"):
        import_patterns(Config(f"imports = {imports}"), CONFIG)


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
    assert missing_imports(patterns, {"/c/site.toml": Config("version = 2")}) == ("/c/gone.toml",)


def importing(*patterns: str) -> Config:
    return Config(f"version = 2\nimports = {list(patterns)}\n")


def test_files_are_loaded_in_the_order_of_the_patterns_and_of_names() -> None:
    files = {
        "/c/d/10.toml": Config(""),
        "/c/d/9.toml": Config(""),
        "/a.toml": Config(""),
        "/c/d.x/1.toml": Config(""),
        "/c/other": Config(""),
    }
    root = importing("/c/*/*.toml", "/a.toml")
    order = ("/c/d/10.toml", "/c/d/9.toml", "/c/d.x/1.toml", "/a.toml")
    assert loading_order(CONFIG, root, files) == (CONFIG, *order)


def test_what_a_file_imports_comes_after_all_that_was_imported_before_it() -> None:
    files = {"/a.toml": importing("/c.toml"), "/b.toml": Config(""), "/c.toml": Config("")}
    assert loading_order(CONFIG, importing("/a.toml", "/b.toml"), files) == (
        CONFIG,
        "/a.toml",
        "/b.toml",
        "/c.toml",
    )


def test_a_relative_import_of_an_import_lies_beside_that_one() -> None:
    files = {"/x/a.toml": importing("b.toml"), "/x/b.toml": Config(""), "/etc/containerd/b.toml": Config("")}
    assert loading_order(CONFIG, importing("/x/a.toml"), files) == (CONFIG, "/x/a.toml", "/x/b.toml")


def test_a_circle_is_loaded_once_and_the_file_itself_too() -> None:
    files = {"/a.toml": importing("/b.toml", CONFIG), "/b.toml": importing("/a.toml", "/b.toml")}
    assert loading_order(CONFIG, importing("/a.toml"), files) == (CONFIG, "/a.toml", "/b.toml")


def test_what_is_missing_or_no_toml_ends_there() -> None:
    files = {"/a.toml": Config("imports = 3\n"), "/b.toml": Config("[x\n")}
    order = loading_order(CONFIG, importing("/a.toml", "/gone.toml", "/b.toml"), files)
    assert order == (CONFIG, "/a.toml", "/b.toml")
