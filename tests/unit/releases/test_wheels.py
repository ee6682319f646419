from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nodeprov.errors import UsageError
from nodeprov.releases.wheels import read_wheels
from tests.support.bundles import wheel


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_wheels(folder, "nodeprov", "1.2", "or leave them out: --no-wheels")
    assert "pip wheel --wheel-dir" in caught.value.hint
    assert "--no-wheels" in caught.value.hint
    return caught.value.message


def test_all_that_is_needed_is_there_under_any_spelling(tmp_path: Path) -> None:
    wheels = [
        wheel(tmp_path, "nodeprov", "1.2", "Ruamel.Yaml>=1 ", 'colorama; sys_platform == "win32"'),
        wheel(tmp_path, "ruamel_yaml", "2"),
    ]
    (tmp_path / "README").write_text("")
    assert read_wheels(tmp_path, "nodeprov", "1.2", "") == tuple(wheels)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "has no wheel of nodeprov" in refusal(tmp_path / "none")
    wheel(tmp_path, "nodeprov", "1.2", "requests>=2.32", "rich (>=13)")
    assert refusal(tmp_path) == f"{tmp_path} has no wheel of requests, rich"


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, "nodeprov", "1.1")
    assert refusal(tmp_path) == f"{path} is another version than this nodeprov, 1.2"


def test_a_wheel_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = wheel(tmp_path, "nodeprov", "1.2")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = next(each for each in archive.infolist() if each.filename.endswith("METADATA"))
    begin = member.header_offset + 30 + len(member.filename)
    content[begin : begin + member.compress_size] = b"\xff" * member.compress_size
    path.write_bytes(content)
    assert f"{path} is not a wheel" in refusal(tmp_path)


def test_what_is_no_wheel_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_text("")
    assert "has no name of a wheel" in refusal(tmp_path)
    (tmp_path / "x.whl").rename(tmp_path / "nodeprov-1.2-py3-none-any.whl")
    assert "is not a wheel" in refusal(tmp_path)
