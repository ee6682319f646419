from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.base import Output
from nodeprov.hosts.local import LocalHost
from nodeprov.node import dry_start
from nodeprov.node.dry_start import (
    WELL,
    DryStart,
    DryStartQuery,
    as_it_is,
    insist_on_a_start,
    parse_dry_start,
    staged,
)
from nodeprov.states import FileState
from tests.support.containerd_words import DETAIL, REFUSED
from tests.support.memory_host import MemoryHost
from tests.support.played_node import HOME, PlayedNode, played_node
from tests.support.samples import CONFIG, with_daemon

NOT_LOADED = "the CRI plugin is not loaded"


def printed(outcome: str, **texts: str) -> str:
    lines = [f"{name}:={base64.b64encode(text.encode()).decode()}" for name, text in texts.items()]
    return "\n".join([f"outcome={outcome}", *lines]) + "\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(WELL.decode(), DryStart(""), id="all is well"),
        pytest.param(printed("served", detail=DETAIL), DryStart(REFUSED), id="the cause, and not who repeats it"),
        pytest.param(printed("served", detail="Type: a\nID: b\n"), DryStart(NOT_LOADED), id="no CRI"),
        pytest.param(
            printed("died", log='time="…" level=info msg="starting"\ncontainerd: open /x: no such file\n'),
            DryStart("open /x: no such file"),
            id="its own last sentence",
        ),
        pytest.param(
            printed(
                "died", log='time="…" level=fatal msg="Failed to run CRI service" error="port \\"1\\" is taken"\n'
            ),
            DryStart('Failed to run CRI service: port "1" is taken'),
            id="the last error of its log",
        ),
        pytest.param(printed("died", log=""), DryStart("it ends without a message"), id="nothing"),
        pytest.param(
            printed("silent", log="level=warning msg=waiting\n"),
            DryStart("it does not answer within 20 seconds: level=warning msg=waiting"),
            id="it hangs",
        ),
        pytest.param(
            printed("cannot", log="there is no unshare\n"),
            DryStart("there is no unshare", was_tried=False),
            id="cannot be tried",
        ),
        pytest.param("", DryStart("Killed", was_tried=False), id="the script was killed"),
        pytest.param("outcome=served\n", DryStart(NOT_LOADED), id="cut off"),
    ],
)
def test_what_came_of_it_is_in_containerds_own_words(text: str, found: DryStart) -> None:
    assert parse_dry_start(text, "Killed") == found


@pytest.mark.parametrize("snapshotter", ["devmapper", "stargz", "zfs"])
def test_what_another_snapshotter_keeps_no_second_containerd_may_see(snapshotter: str) -> None:
    dump = CONFIG + f"\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = '{snapshotter}'\n"
    daemon = with_daemon(dump=dump).running_daemon
    found = as_it_is(MemoryHost(), daemon)  # which has no shell
    assert (found.was_tried, found.fails) == (False, False)
    assert snapshotter in found.fault


def test_files_are_staged_as_lines_folders_before_what_lies_deeper() -> None:
    files = {"/e/d/b": FileState(b"", 0o600), "/e/a b": FileState(b"version = 3\n", 0o644), "/e/gone": None}
    assert staged(files) == b"/e/a b dmVyc2lvbiA9IDMK\n/e/gone -\n/e/d/b \n"


PLAY = f"""#!/bin/sh
case "$*" in
    *"config dump") cat -- "$2" 2>/dev/null ;;
    "config default") echo "version = 3" ;;
    *)
        # As a containerd that reads what it is given, and what it finds beside it.
        grep -qs refused "$2" "{HOME}"/etc/conf.d/*.toml && {{ echo "containerd: it is refused" >&2; exit 1; }}
        grep -qs hidden "$2" && ls /dev/mapper /run/played-socket /var/lib/kubelet/x 2>&1
        grep -qs writes "$2" && {{ touch /srv/x {HOME}/x {HOME}/etc/x 2>/dev/null; }}
        grep -qs "looks into run" "$2" && {{ echo "containerd: $(ls /run/k0s)" >&2; exit 1; }}
        grep -qs "looks for a socket" "$2" && [ ! -S {HOME}/x.sock ] && {{ echo "containerd: none" >&2; exit 1; }}
        while :; do sleep 60; done ;;
esac
"""


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedNode]:
    with played_node(tmp_path) as node:
        node.said(f"cat > {HOME}/bin/tried <<'END'\n{PLAY}END\nchmod +x {HOME}/bin/tried")
        yield node


QUERY = DryStartQuery(f"{HOME}/bin/tried", f"{HOME}/etc/config.toml", f"{HOME}/bin/ctr")


DAEMON = with_daemon(binary=QUERY.binary, config_path=QUERY.config, ctr=QUERY.ctr).running_daemon


def tried(node: PlayedNode, files: dict[str, FileState | None]) -> DryStart:
    host = LocalHost(enter=node.enter)
    return QUERY.parse(host.sh(QUERY.script, stdin=staged(files)))


def file(text: str) -> FileState:
    return FileState(text.encode(), 0o644)


class TestOnAPlayedNode:
    """The script, with a few lines of shell as containerd; the real one is started in the lab."""

    def test_it_is_started_on_the_files_as_they_are(self, played: PlayedNode) -> None:
        assert tried(played, {}) == DryStart("")
        played.said(f"echo refused >> {HOME}/etc/config.toml")
        assert tried(played, {}) == DryStart("it is refused")

    def test_a_fault_that_it_has_without_its_configuration_too_is_no_fault_of_the_files(
        self, played: PlayedNode
    ) -> None:
        host = LocalHost(enter=played.enter)
        played.said(f"echo refused >> {HOME}/etc/config.toml")
        assert as_it_is(host, DAEMON) == DryStart("it is refused")
        played.said(f"printf '#!/bin/sh\necho containerd: no seat >&2; exit 1\n' > {HOME}/bin/tried")
        assert as_it_is(host, DAEMON) == DryStart("no seat", was_tried=False)

    @pytest.mark.parametrize("path", ["etc/config.toml", "etc/conf.d/a.toml", "etc/it's new/../conf.d/b.toml"])
    def test_it_is_started_on_files_that_are_not_there_yet(self, played: PlayedNode, path: str) -> None:
        before = played.listing()
        assert tried(played, {f"{HOME}/{path}": file("refused")}) == DryStart("it is refused")
        assert played.listing() == before

    def test_a_file_that_is_to_go_is_not_there(self, played: PlayedNode) -> None:
        played.said(f"mkdir {HOME}/etc/conf.d && echo refused > {HOME}/etc/conf.d/a.toml")
        assert tried(played, {}) == DryStart("it is refused")
        assert tried(played, {f"{HOME}/etc/conf.d/a.toml": None}) == DryStart("")
        assert "a.toml" in played.listing()

    def test_two_files_of_which_one_lies_deeper_are_both_there(self, played: PlayedNode) -> None:
        both: dict[str, FileState | None] = {
            f"{HOME}/etc/conf.d/a.toml": file("refused"),
            f"{HOME}/etc/config.toml": file("version = 3"),
        }
        assert tried(played, both) == DryStart("it is refused")

    def test_a_file_that_a_link_leads_to_is_the_one_that_is_covered(self, played: PlayedNode) -> None:
        played.said(f"cd {HOME} && mkdir real && mv etc/config.toml real && ln -s ../real/config.toml etc")
        assert tried(played, {QUERY.config: file("refused")}) == DryStart("it is refused")
        assert tried(played, {}) == DryStart("")

    def test_a_socket_of_the_node_outside_of_run_is_not_reached(self, played: PlayedNode) -> None:
        listening = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('x.sock'); s.listen()"
        played.said(f'cd {HOME} && setsid python3 -c "{listening}; time.sleep(60)" > /dev/null 2>&1 < /dev/null &')
        played.said(f"until [ -S {HOME}/x.sock ]; do sleep 0.1; done")
        for where in ("address", "own"):
            text = f"{where} = '{HOME}/x.sock'\n# looks for a socket"
            played.said(f"cat > {HOME}/etc/config.toml <<END\n{text}\nEND")
            assert tried(played, {}) == DryStart("none")
        assert "x.sock" in played.said(f"ls {HOME}")

    @pytest.mark.parametrize("run", ["/run", "/var/run"])
    def test_what_is_imported_from_run_is_there(self, played: PlayedNode, run: str) -> None:
        played.said("mkdir -p /run/k0s && echo refused > /run/k0s/cri.toml && echo version > /run/k0s/other")
        imports = f"imports = ['{run}/k0s/cri.toml']\n# looks into run\n"
        played.said(f"cat > {HOME}/etc/config.toml <<END\n{imports}END")
        assert tried(played, {}) == DryStart("cri.toml")

    def test_nothing_of_the_node_can_be_written(self, played: PlayedNode) -> None:
        assert tried(played, {f"{HOME}/etc/config.toml": file("writes")}) == DryStart("")
        assert played.said(f"ls /srv/x {HOME}/x {HOME}/etc/x 2>&1").count("No such file") == 3

    def test_nothing_of_it_is_left(self, played: PlayedNode) -> None:
        def left() -> str:
            return played.said("cat /proc/self/mounts /proc/[0-9]*/comm; ls -d /tmp/state /tmp/layered")

        before = left()
        tried(played, {f"{HOME}/etc/config.toml": file("refused"), f"{HOME}/etc/new.toml": file("")})
        assert sorted(left().splitlines()) == sorted(before.splitlines())

    def test_what_takes_too_long_says_nothing_about_the_files(
        self, played: PlayedNode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The end of its time ends containerd too, which must not seem to have ended by itself."""
        monkeypatch.setattr(dry_start, "LIMIT_SECONDS", 2)
        slow = 'case "$*" in *dump) ;; *) sleep 60 ;; esac'
        played.said(
            f"printf '#!/bin/sh\n%s\n' '{slow}' > {HOME}/bin/tried; printf '#!/bin/sh\nexit 1\n' > {QUERY.ctr}"
        )
        assert tried(played, {}) == DryStart("this takes longer than 2 seconds here", was_tried=False)
        insist_on_a_start(LocalHost(enter=played.enter), DAEMON, {QUERY.config: file("refused")})

    def test_a_candidate_that_is_refused_is_no_more_than_a_message(self, played: PlayedNode) -> None:
        host = LocalHost(enter=played.enter)
        insist_on_a_start(host, DAEMON, {QUERY.config: file("good")})
        with pytest.raises(NodeprovError, match=r"config\.toml would be: it is refused"):
            insist_on_a_start(host, DAEMON, {QUERY.config: file("refused")})

    def test_a_fault_that_it_has_anyway_says_nothing_about_the_candidate(self, played: PlayedNode) -> None:
        played.said(f"echo refused >> {HOME}/etc/config.toml")
        insist_on_a_start(LocalHost(enter=played.enter), DAEMON, {QUERY.config: file("refused")})

    def test_without_unshare_it_cannot_be_tried(self) -> None:
        script = f"PATH=/nowhere\n{QUERY.script}".replace("base64 -w 0", "/usr/bin/base64 -w 0")
        found = QUERY.parse(Output(0, LocalHost().sh(script).stdout, b""))
        assert found == DryStart("there is no unshare (util-linux)", was_tried=False)
