"""`nodeprov image` as one calls it."""

from __future__ import annotations

from pathlib import Path

from nodeprov.hosts.local import run_program
from nodeprov.kubernetes import proof_image
from tests.support.command_line import NODEPROV


def test_the_command_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "proof.tar"
    output = run_program([*NODEPROV, "image", str(path)])
    program = proof_image.probe("x86_64")
    assert output.returncode == 0, output.said
    assert output.text == f"{path}: {proof_image.reference(program)} for x86_64\n"
    assert path.read_bytes() == proof_image.archive(program, "x86_64")
