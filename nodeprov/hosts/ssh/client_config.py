"""What the user's ssh_config says about a machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fabric import Config  # noqa: TID251

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov.local_files import expanded

Options = Mapping[str, Sequence[str]]
"""Keywords in lower case, each with its values; one that may be given once has one."""

Lookup = Callable[[str, str | None, int | None], Options]
"""Asked for a machine by what the user calls it, and by the user and the port if they are set elsewhere."""

_TIMEOUT_SECONDS = 30.0


def lookup_by(config_file: str | None) -> Lookup:
    """Choose a reader of the configuration: OpenSSH if it is installed, else fabric, which ignores Include."""
    path = str(expanded(config_file)) if config_file else None
    if path and not Path(path).is_file():
        raise NodeprovError(f"there is no ssh configuration {path}", "correct [ssh] config_file in the inventory")
    reader = ask_openssh if shutil.which("ssh") else ask_fabric
    return lambda alias, user, port: reader(path, alias, user, port)


def ask_openssh(path: str | None, alias: str, user: str | None, port: int | None) -> Options:
    """Ask `ssh -G`."""
    argv = ["ssh", "-G", "-T"]
    argv += ["-F", path] if path else []
    argv += ["-l", user] if user else []
    argv += ["-p", str(port)] if port else []
    output = run_program([*argv, "--", alias], timeout_seconds=_TIMEOUT_SECONDS)
    if output.returncode != 0:
        raise NodeprovError(f"ssh cannot read its configuration: {output.said}", f"try: ssh -G {alias}")
    options: dict[str, list[str]] = {}
    for line in output.text.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)
    return options


def ask_fabric(path: str | None, alias: str, user: str | None, port: int | None) -> Options:
    """Read ~/.ssh/config and /etc/ssh/ssh_config, or only the file that is named."""
    try:
        config = Config(runtime_ssh_path=path) if path else Config()
        found = config.base_ssh_config.lookup(alias)
    except Exception as error:  # paramiko raises what it likes for a line that it does not understand
        raise NodeprovError(f"the ssh configuration cannot be read: {error}", f"try: ssh -G {alias}") from None
    options = {key: value if isinstance(value, list) else [value] for key, value in found.items() if value}
    if user:
        options["user"] = [user]
    if port:
        options["port"] = [str(port)]
    return options
