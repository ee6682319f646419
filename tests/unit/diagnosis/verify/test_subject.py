"""The commands of testinfra that are expected run together, and tell what each would tell alone.

That these are the commands which the checks run, tests/lab/test_verify.py holds.
"""

from __future__ import annotations

from pathlib import Path

from testinfra.host import Host as Infra

from nodeprov.diagnosis.verify.subject import NodeprovBackend
from nodeprov.hosts.local import LocalHost


def counted() -> tuple[LocalHost, list[str]]:
    host, commands = LocalHost(), list[str]()
    host.on_command = lambda _name, script: commands.append(script.name)
    return host, commands


def test_what_is_expected_runs_in_one_command_and_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_bytes(b"\0its bytes\n\n")
    host, commands = counted()
    expected = ("uname -s", "cat /etc/os-release", "uname -m", f"cat -- '{path}'", f"stat -Lc %a '{path}'")
    file, alone = (
        Infra(NodeprovBackend(LocalHost())).file(str(path)),
        Infra(NodeprovBackend(host, expected)).file(str(path)),
    )
    assert (file.content, file.mode) == (alone.content, alone.mode) == (b"\0its bytes\n\n", 0o644)
    assert commands == ["ask"]


def test_what_was_not_expected_or_has_failed_runs_alone_with_what_it_complains_of(tmp_path: Path) -> None:
    host, commands = counted()
    missing = tmp_path / "missing"
    infra = Infra(NodeprovBackend(host, (f"ls {missing}", "echo expected")))
    assert infra.run("echo expected").stdout == "expected\n"
    assert str(missing) in infra.run(f"ls {missing}").stderr
    assert infra.run("echo other").stdout == "other\n"
    assert commands == ["ask", "testinfra", "testinfra"]
