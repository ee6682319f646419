"""A user of a node without any right, who is in every place before nodeprov, and looks at all that it makes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import CONFIG, WORKER, Machine
from tests.lab.running import installed, nodeprov, variant
from tests.support.sampling import by_turns

pytestmark = by_turns

USER, HIS = "m-mallory", "/home/m-mallory"
VICTIM = "/etc/m-victim"
MARK = f"marked{secrets.token_hex(8)}"
PUBLIC = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")
OURS = ("/etc/containerd", "/opt", "/opt/nodeprov", "/opt/nodeprov/releases", "/opt/nodeprov/handlers/runsc",
        "/var/lib", "/var/lib/nodeprov", "/var/lib/nodeprov/receipts", "/usr/local/bin", "/run")  # fmt: skip
NAMES = ("nodeprov", ".nodeprov", "nodeprov-candidate", ".config.toml.nodeprov-candidate", "config.toml", "lock",
         "runsc", "runsc.toml", "releases", "receipts", "daemon.json", "containerd-shim-runsc-v1")  # fmt: skip
ACTS = f"""
cd {HIS}
echo $$ > pid
while :; do
    # In the way: links to what he would like to have overwritten or read, wherever he may make one.
    for folder in {" ".join(PUBLIC)}; do
        for name in {" ".join(NAMES)}; do
            [ -L $folder/$name ] || ln -sfn {VICTIM} $folder/$name
        done
    done
    # At once, where something new of root's has just come up: read it, and put a link in its place.
    for folder in {" ".join((*PUBLIC, *OURS))}; do
        case $folder in {"|".join(PUBLIC)}) ;; *) [ ! -w $folder ] || echo "may write $folder" >> loot ;; esac
        for each in $folder/.*nodeprov-* $folder/.proof-*; do
            [ -e "$each" ] && [ ! -L "$each" ] || continue
            echo "saw $each" >> saw
            grep -rlsF {MARK} "$each" >> loot
            [ ! -w "$each" ] || echo "may write $each" >> loot
            ln -sfT {VICTIM} "$each" 2>/dev/null && echo "replaced $each" >> loot
        done
    done
    grep -lsF {MARK} /proc/[0-9]*/cmdline /proc/[0-9]*/environ >> loot
    grep -rlsF {MARK} /etc/containerd /var/lib/nodeprov /opt/nodeprov/handlers /tmp /var/tmp >> loot
    echo . >> rounds
    sleep 0.01
done
"""


@pytest.fixture
def mallory(worker: Machine) -> Iterator[Machine]:
    """A node on which he is at work; its configuration is root's alone, and marked."""
    worker.run(
        f"userdel -rf {USER} 2>/dev/null; useradd -m -s /bin/sh {USER}; "
        f"umask 077; echo precious > {VICTIM}; printf '# {MARK}\\n' >> {CONFIG}; chmod 0600 {CONFIG}; "
        f"touch {HIS}/loot {HIS}/saw; chown -R {USER}: {HIS}"
    )
    worker.host.sh(f"cat > {HIS}/acts && chmod 0755 {HIS}/acts && chown {USER} {HIS}/acts", stdin=ACTS.encode())
    worker.run(
        f"setpriv --reuid={USER} --regid={USER} --clear-groups setsid sh {HIS}/acts > /dev/null 2>&1 < /dev/null &"
    )
    worker.run(f"until [ -s {HIS}/rounds ]; do sleep 0.1; done", 100)
    yield worker
    worker.run(f"kill -9 $(cat {HIS}/pid); sleep 0.2; find {' '.join(PUBLIC)} -user {USER} -delete; true")
    worker.run(f"userdel -rf {USER} 2>/dev/null; rm -rf {VICTIM} /srv/m-shared")


def nothing_was_gained(node: Machine) -> None:
    """See that what is root's is as it was, and that he has read nothing of it; he has really tried."""
    assert node.run(f"cat {VICTIM}; stat -c '%a %U' {VICTIM}") == "precious\n600 root\n"
    assert node.run(f"sort -u {HIS}/loot") == ""
    assert int(node.run(f"wc -l < {HIS}/rounds")) > 5
    folders = "/etc/containerd /opt/nodeprov /var/lib/nodeprov /usr/local/bin/runsc"
    assert node.run(f"find {folders} \\( -not -user root -o -not -type l -perm /022 \\) 2>/dev/null || true") == ""
    # He is in the way where anybody may be: it is not for want of trying that nothing came of it.
    assert int(node.run(f"find {' '.join(PUBLIC)} -user {USER} -type l | wc -l")) >= len(NAMES)


def test_who_is_there_first_gains_nothing_by_an_install_and_an_uninstall(mallory: Machine) -> None:
    pristine = mallory.config()
    installed(WORKER)
    assert nodeprov("verify", WORKER).returncode == 0
    nothing_was_gained(mallory)
    assert nodeprov("uninstall", WORKER, "--yes").returncode == 0
    nothing_was_gained(mallory)
    assert mallory.config() == pristine
    assert mallory.run(f"stat -c %a {CONFIG}") == "600\n"


def test_a_prefix_where_others_may_write_is_refused_before_anything_is_touched(
    mallory: Machine, tmp_path: Path
) -> None:
    mallory.run(f"mkdir -m 1777 /srv/m-shared && mkdir /srv/m-shared/his && chown {USER} /srv/m-shared/his")
    for prefix, folder in (
        ("/srv/m-shared/nodeprov", "/srv/m-shared"),
        ("/srv/m-shared/his/x", "/srv/m-shared/his"),
    ):
        inventory = variant(tmp_path, paths__prefix=f'"{prefix}"')
        ended = nodeprov("install", WORKER, "--yes", inventory=inventory)
        assert ended.returncode == 1
        assert f"{folder}, which holds [paths] prefix, can be written by others than root" in ended.stderr
        assert "hint: " in ended.stderr
    assert mallory.run("ls -A /srv/m-shared") == "his\n"
