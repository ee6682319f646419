"""The configuration of OpenSSH's client."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.ssh.client_config import lookup_by
from nodeprov.local_files import expanded


def test_the_home_of_nobody_is_not_there_and_no_traceback() -> None:
    assert expanded("~/x") == Path.home() / "x"
    assert expanded("~nosuchuser/x") == Path("~nosuchuser/x")
    with pytest.raises(NodeprovError, match="there is no ssh configuration ~nosuchuser/config"):
        lookup_by("~nosuchuser/config")
