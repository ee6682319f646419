from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_program
from nodeprov.hosts.ssh.become import Become, after_mark, command_line, opening, proof_line, refuses_password

MARK = "nodeprov-0123456789abcdef"
ROOT, SUDO = Become(sudo=False), Become(sudo=True)

# A sudo that asks what a test says, and then runs the command; what it is given is written down.
FAKE_SUDO = """#!/bin/sh
echo "$*" >> {folder}/arguments
if [ -n "{needs_terminal}" ] && ! (: < /dev/tty) 2>/dev/null; then
    echo "sudo: sorry, you must have a tty to run sudo" >&2
    exit 1
fi
while [ "$1" != -- ]; do
    case $1 in -S) IFS= read -r password; echo "$password" >> {folder}/password ;; esac
    shift
done
shift
exec "$@"
"""


@pytest.mark.parametrize(
    ("how", "complaint", "learned"),
    [
        (SUDO, "sudo: a password is required", Become(sudo=True, password=True)),
        (SUDO, "sudo: interactive authentication is required", Become(sudo=True, password=True)),
        (SUDO, "sudo: sorry, you must have a tty to run sudo", Become(sudo=True, terminal=True)),
        (
            Become(sudo=True, terminal=True),
            "sudo: a password is required",
            Become(sudo=True, terminal=True, password=True),
        ),
        (
            SUDO,
            "sudo: no tty present and no askpass program specified",
            Become(sudo=True, password=True),
        ),
        (Become(sudo=True, password=True), "sudo: a password is required", None),
        (Become(sudo=True, terminal=True), "sudo: sorry, you must have a tty to run sudo", None),
        (SUDO, "m is not in the sudoers file.", None),
        (SUDO, "sh: 1: sudo: not found", None),
        (ROOT, "sudo: a password is required", None),
    ],
)
def test_what_sudo_wants_is_learned_from_its_complaint_once(
    how: Become, complaint: str, learned: Become | None
) -> None:
    assert how.learned_from(f"Welcome!\n{complaint}\n") == learned


@pytest.mark.parametrize(
    ("complaint", "refuses"),
    [
        ("Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt", True),
        ("sudo: Authentication failed, try again.", True),
        ("m is not in the sudoers file.", False),
        ("bash: sudo: command not found", False),
    ],
)
def test_a_refused_password_is_told_from_other_errors(complaint: str, refuses: bool) -> None:
    assert refuses_password(complaint) is refuses


@pytest.mark.parametrize("noise", ["", "Welcome! ", "two\nlines\n", f"{MARK}", "\0\xff"])
def test_what_a_shell_says_before_the_mark_is_dropped(noise: str) -> None:
    assert after_mark(f"{noise}{MARK}\n".encode() + b"\0\n\xff", MARK) == b"\0\n\xff"


@pytest.mark.parametrize("printed", [b"", b"Welcome!\n", MARK.encode()])
def test_without_a_mark_nothing_has_begun(printed: bytes) -> None:
    assert after_mark(printed, MARK) is None


@pytest.fixture
def bin_with_sudo(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "sudo"
    path.write_text(FAKE_SUDO.format(folder=tmp_path, needs_terminal=getattr(request, "param", "")))
    path.chmod(0o755)
    return tmp_path


def run(line: str, folder: Path, stdin: bytes, shell: str = "sh") -> tuple[int, bytes | None, bytes | None]:
    output = run_program([shell, "-c", line], stdin=stdin, environment={"PATH": f"{folder}:/usr/bin:/bin"})
    return output.returncode, after_mark(output.stdout, MARK), after_mark(output.stderr, MARK)


SCRIPT = "cat; printf 'it''s \"$HOME\" \\\\ größe' >&2; exit 7"


@pytest.mark.parametrize("shell", ["sh", "bash", "fish", "zsh", "tcsh"])
@pytest.mark.parametrize(
    "how",
    [ROOT, SUDO, Become(sudo=True, password=True), Become(sudo=True, password=True, terminal=True)],
    ids=["as root", "sudo", "sudo with a password", "sudo with a password on a terminal"],
)
def test_a_script_and_its_bytes_arrive_as_they_are(bin_with_sudo: Path, how: Become, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    content = bytes(range(256)) * 500
    line = command_line("id >/dev/null\n" + SCRIPT, how, MARK, runner="timeout 60")
    stdin = opening(how, "it's secret", MARK) + content
    status, stdout, stderr = run(line, bin_with_sudo, stdin, shell)
    assert (status, stdout) == (7, content)
    assert stderr is not None
    assert stderr.endswith("größe".encode())


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not needed"])
def test_a_password_never_becomes_content(bin_with_sudo: Path, taken: bool) -> None:
    how = Become(sudo=True, password=True)
    if not taken:
        sudo = bin_with_sudo / "sudo"
        sudo.write_text(sudo.read_text().replace("IFS= read -r password;", ""))
    line = command_line("cat", how, MARK)
    assert run(line, bin_with_sudo, opening(how, "secret", MARK) + b"content")[:2] == (0, b"content")
    assert "secret" not in (bin_with_sudo / "arguments").read_text()
    assert (bin_with_sudo / "password").read_text() == ("secret\n" if taken else "\n")


@pytest.mark.parametrize("bin_with_sudo", ["yes"], indirect=True)
def test_sudo_gets_a_terminal_and_the_script_gets_pipes(bin_with_sudo: Path) -> None:
    how = Become(sudo=True, terminal=True)
    script = "[ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo pipes; cat"
    assert run(command_line(script, SUDO, MARK), bin_with_sudo, b"")[:2] == (1, None)
    assert run(command_line(script, how, MARK), bin_with_sudo, b"\x03\x04\r\n")[:2] == (0, b"pipes\n\x03\x04\r\n")


def test_a_proof_of_a_password_ignores_what_sudo_remembers(bin_with_sudo: Path) -> None:
    assert run(proof_line(SUDO, MARK), bin_with_sudo, b"secret\n")[:2] == (0, b"")
    assert (bin_with_sudo / "arguments").read_text().startswith("-k -S -p  -- ")


def test_files_get_their_modes_whatever_the_users_umask_is(tmp_path: Path) -> None:
    line = command_line(f"touch {tmp_path}/file", ROOT, MARK)
    run_program(["sh", "-c", f"umask 077; {line}"])
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
