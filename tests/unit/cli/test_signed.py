from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.signed import signature_of, signed_by
from nodeprov.errors import UsageError
from nodeprov.hosts.ssh_signatures import LOCK, sign
from tests.support.signing import allowed, ssh_key

CONTENT = b"content\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(CONTENT)
    return tmp_path / "file"


def refusal(file: Path, signers: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        signed_by(file, CONTENT, LOCK, str(signers))
    assert f"nodeprov sign {file}" in caught.value.hint
    assert caught.value.where.startswith(str(file))
    return caught.value


def test_where_nobody_has_to_sign_nothing_is_looked_at(file: Path) -> None:
    assert signed_by(file, CONTENT, LOCK, None) == ""


def test_who_has_signed_is_named(file: Path, tmp_path: Path) -> None:
    signature_of(file).write_bytes(sign(CONTENT, LOCK, str(ssh_key("ann"))))
    assert signed_by(file, CONTENT, LOCK, str(allowed(tmp_path, "ann"))) == "ann@example.com"


def test_without_a_signature_it_is_said_what_to_type(file: Path, tmp_path: Path) -> None:
    assert f"{file}.sig does not exist" in refusal(file, allowed(tmp_path, "ann")).message


def test_another_signature_is_refused_with_its_file(file: Path, tmp_path: Path) -> None:
    signature_of(file).write_bytes(sign(b"other\n", LOCK, str(ssh_key("ann"))))
    assert refusal(file, allowed(tmp_path, "ann")).where == f"{file}.sig"
