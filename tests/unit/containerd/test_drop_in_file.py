from __future__ import annotations

import tomllib

import pytest

from nodeprov.containerd import RUNTIMES_PATHS, Config
from nodeprov.containerd.drop_in_file import path_of, text_of
from tests.support.runtimes import runsc

CONFIG = "/etc/containerd/config.toml"
CURRENT = "/opt/nodeprov/handlers/runsc/current"
RUNSC = runsc("runsc", f"{CURRENT}/containerd-shim-runsc-v1", f"{CURRENT}/runsc.toml")


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
    assert path_of(CONFIG, Config(f"version = 3\nimports = {imports}\n"), "runsc") == path


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_the_file_declares_the_runtime_alone_in_the_version_of_the_configuration(version: int) -> None:
    text = text_of(Config(f"version = {version}\nroot = '/r'\n"), RUNSC)
    assert Config(text).declared("runsc") == RUNSC.table()
    document = tomllib.loads(text)
    assert document.keys() == {"version", "plugins"}
    assert document["version"] == version
    assert list(document["plugins"]) == [RUNTIMES_PATHS[version][1]]
