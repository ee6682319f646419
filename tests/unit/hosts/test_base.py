"""Scripts by their names, and what a program has printed."""

from __future__ import annotations

from nodeprov.hosts.base import Output, rendered


def test_what_a_program_complained_of_is_told_by_its_last_lines_without_secrets() -> None:
    complaint = b"usage\nmore\n" + b"x" * (1 << 20) + b'\nline 4: password = "s3cret"\nin config.toml\nfailed'
    assert Output(1, b"", complaint).said == 'line 4: password = "(not shown)"; in config.toml; failed'


def test_a_script_is_known_by_its_templates_name() -> None:
    script = rendered("hosts/write-link.sh.j2", path="/p", beside="/.p", target="/t")
    assert script.name == "write-link"
    assert "/.p" in script.text
