"""Scripts by their names, what a program has printed, and the sign of life."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from nodeprov.hosts.base import HEARTBEAT, Output, heartbeat, rendered


def test_what_a_library_logs_for_each_attempt_is_left_out_where_the_program_says_it_too() -> None:
    log = (
        b'E1128 23:34:40.374926   19589 memcache.go:265] "Unhandled Error" err="couldn\'t get the list"\n'
        b'E1128 23:34:41.376174   19589 memcache.go:265] "Unhandled Error" err="couldn\'t get the list"\n'
    )
    refused = b"The connection to the server 127.0.0.1:1 was refused\n"
    assert Output(1, b"", log + refused + refused).said == "The connection to the server 127.0.0.1:1 was refused"
    assert "memcache.go" in Output(1, b"", log).said


def test_what_a_program_complained_of_is_told_by_its_last_lines_without_secrets() -> None:
    complaint = b"usage\nmore\n" + b"x" * (1 << 20) + b'\nline 4: password = "s3cret"\nin config.toml\nfailed'
    assert Output(1, b"", complaint).said == 'line 4: password = "(not shown)"; in config.toml; failed'


def test_a_script_is_known_by_its_templates_name() -> None:
    script = rendered("hosts/write-link.sh.j2", path="/p", beside="/.p", target="/t")
    assert script.name == "write-link"
    assert "/.p" in script.text


def test_it_is_given_again_and_again_until_it_is_stopped() -> None:
    said: queue.Queue[str] = queue.Queue()
    over = heartbeat(said.put, 0.01)
    assert [said.get(timeout=10) for _ in range(3)] == [HEARTBEAT] * 3
    over.set()
    time.sleep(0.2)  # one that was on its way
    count = said.qsize()
    time.sleep(0.2)
    assert said.qsize() == count


def test_without_a_time_none_is_given() -> None:
    threads = threading.active_count()
    heartbeat(lambda line: pytest.fail(line), 0)
    assert threading.active_count() == threads
