from __future__ import annotations

from pathlib import Path

from tests.support.command_line import at_home, said
from tests.support.locked import locked_folder
from tests.support.release_server import ReleaseServer
from tests.support.signing import allowed, ssh_key


def key(name: str) -> str:
    return str(ssh_key(name))


def test_a_lock_is_signed_beside_it(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "sign", "nodeprov.lock", "--key", key("ann"))
    assert output.returncode == 0, said(output)
    assert output.text == "nodeprov.lock.sig\n"
    assert "it is not required yet" in said(output)
    assert (folder / "nodeprov.lock.sig").read_text().startswith("-----BEGIN SSH SIGNATURE-----\n")


def test_where_signers_are_configured_only_they_sign(folder: Path, server: ReleaseServer) -> None:
    allowed(folder, "ann")
    locked_folder(folder, server, trust='allowed_signers = "allowed_signers"')
    output = at_home(folder, "sign", "nodeprov.lock", "--key", key("bob"))
    assert output.returncode == 2
    assert "allowed_signers does not allow" in said(output)
    assert not (folder / "nodeprov.lock.sig").exists()
    output = at_home(folder, "sign", "nodeprov.lock", "--key", key("ann"))
    assert (output.returncode, "signed by ann@example.com" in said(output)) == (0, True)


def test_what_is_neither_a_lock_nor_a_plan_is_not_signed(folder: Path) -> None:
    output = at_home(folder, "sign", "nodeprov.toml", "--key", key("ann"))
    assert output.returncode == 2
    assert "nodeprov plan --out FILE" in said(output)
    assert not list(folder.glob("*.sig"))


def test_a_damaged_lock_is_not_signed(folder: Path, server: ReleaseServer) -> None:
    lock = locked_folder(folder, server)
    lock.write_text(lock.read_text().replace("size_bytes = ", "size_bytes = 1", 1))
    output = at_home(folder, "sign", "nodeprov.lock", "--key", key("ann"))
    assert output.returncode == 2
    assert "sha256 is not that of the rest of the file" in said(output)


def test_a_key_that_does_not_sign_is_named(folder: Path, server: ReleaseServer) -> None:
    locked_folder(folder, server)
    output = at_home(folder, "sign", "nodeprov.lock", "--key", "none")
    assert output.returncode == 1
    assert "ssh-keygen has not signed with none" in said(output)
