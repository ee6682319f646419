"""What a server can do against the limits stands in tests/adversaries/test_hostile_node.py."""

from __future__ import annotations

import threading

from paramiko import Channel  # noqa: TID251  what is reached into is paramiko's own


def test_paramiko_has_the_privates_that_are_reached_into() -> None:
    assert isinstance(Channel(0).event, threading.Event)
