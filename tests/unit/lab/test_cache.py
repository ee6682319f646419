from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov_lab import gobuild
from nodeprov_lab.cache import Cache, digest_of
from nodeprov_lab.gobuild import CONTAINERD, ETCD, KUBERNETES, TOOLCHAIN, Go, GoBuilder, find_go
from nodeprov_lab.gvisor_releases import gvisor
from nodeprov_lab.processes import at_once

CHECKOUT = Path(__file__).parents[3]
INGREDIENTS = {"go.mod": "module a", "go": "go1.26"}


def test_the_order_of_ingredients_does_not_matter() -> None:
    assert digest_of(INGREDIENTS) == digest_of(dict(reversed(INGREDIENTS.items())))


def test_any_other_ingredient_gives_another_folder(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = [
        cache.folder("a", ingredients, lambda _: None)
        for ingredients in (INGREDIENTS, {**INGREDIENTS, "patch": "1"})
    ]
    assert made[0] != made[1]


def test_a_folder_is_made_once_when_many_want_it_at_the_same_time(tmp_path: Path) -> None:
    calls: list[Path] = []

    def want() -> Path:
        return Cache(tmp_path).folder("a", INGREDIENTS, calls.append)

    assert len(set(at_once([want] * 8))) == 1
    assert len(calls) == 1


def test_a_failed_making_leaves_no_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Cache(tmp_path).folder("a", INGREDIENTS, fail)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_a_killed_run_left_is_removed_and_not_taken(tmp_path: Path) -> None:
    abandoned = tmp_path / f".a-{digest_of(INGREDIENTS)}.unfinished-x"
    abandoned.mkdir()
    (abandoned / "half").touch()
    folder = Cache(tmp_path).folder("a", INGREDIENTS, lambda path: (path / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert not abandoned.exists()


def test_every_component_is_pinned() -> None:
    components = [CONTAINERD, ETCD, KUBERNETES, *(gvisor(r, tolerant=True) for r in ("20260518.0", "20260905.0"))]
    for component in components:
        assert "\nrequire " in (component.folder / "go.mod").read_text()
        tools = (component.folder / "tools.go").read_text()
        assert all(f'"{program.package}"' in tools for program in component.programs)


def test_a_patched_build_has_a_folder_of_its_own(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.0\n")
    go.chmod(0o755)
    builder = GoBuilder(Cache(tmp_path), Go(go), lambda _: None)
    folders = {builder.build(gvisor("20260905.0", tolerant=False)).name}
    ingredients = builder.ingredients(gvisor("20260905.0", tolerant=True))
    folders.add(f"gvisor-20260905.0-{digest_of(ingredients)}")
    assert len(folders) == 2


def test_a_go_that_may_not_fetch_a_newer_one_is_told_which_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debians = tmp_path / "go"
    debians.write_text(f'#!/bin/sh\n[ "$GOTOOLCHAIN" = {TOOLCHAIN} ]\n')
    debians.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(gobuild, "_OF_ITS_INSTALLER", "")
    monkeypatch.delenv("GOTOOLCHAIN", raising=False)
    assert find_go() == Go(debians, TOOLCHAIN)
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    assert find_go() is None, "who has set it does not want another one"


def test_the_toolchain_is_the_one_that_bootstrap_fetches() -> None:
    assert f"GO_VERSION={TOOLCHAIN.removeprefix('go')} " in (CHECKOUT / "script" / "bootstrap").read_text()


def test_at_once_keeps_the_order_and_raises_the_first_error() -> None:
    assert at_once([lambda: 1, lambda: 2]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        at_once([lambda: 1, lambda: 1 // 0])
