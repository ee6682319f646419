"""Scripts by their names."""

from __future__ import annotations

from nodeprov.hosts.script import rendered


def test_a_script_is_known_by_its_templates_name() -> None:
    script = rendered("hosts/write-link.sh.j2", path="/p", beside="/.p", target="/t")
    assert script.name == "write-link"
    assert "/.p" in script.text
