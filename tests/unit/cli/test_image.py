"""`nodeprov image` as one calls it."""

from __future__ import annotations

from pathlib import Path

from nodeprov.hosts.local import run_program
from nodeprov.kubernetes import images
from tests.support.command_line import NODEPROV


def test_the_command_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "proof.tar"
    output = run_program([*NODEPROV, "image", str(path)])
    program = images.probe("x86_64")
    assert output.returncode == 0, output.said
    assert output.text == f"{path}: {images.reference(program)} for x86_64\n"
    assert path.read_bytes() == images.archive(program, "x86_64")
