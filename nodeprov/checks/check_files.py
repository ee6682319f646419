"""What nodeprov wrote is on the node as its receipts say."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from nodeprov.hosts.base import TreeAt
from nodeprov.plan import Place
from nodeprov.states import FileState, LinkState, TreeState
from nodeprov.verification import Subject


def check_there_is_a_receipt(subject: Subject) -> None:
    """A receipt on the node says that nodeprov installed the handler."""
    assert subject.written, f"{subject.node.name} has no receipt of nodeprov: run nodeprov install"


def check_release_files(subject: Subject, host: Host) -> None:
    """Every file of the current release has the digest and the mode that were installed."""
    release = _current_release(subject)
    path = f"{subject.layout.releases}/{release}"
    found = subject.hosts[Place.NODE].ask([TreeAt(path)])[0]
    assert found is not None, f"{path} is missing: run nodeprov install"
    tree = subject.written.get(f"tree:{path}")
    if not isinstance(tree, TreeState):
        # It was there already when the handler was installed. Its name ends in the digest of all its files.
        assert found.digest.startswith(release.rpartition("-")[2]), f"{path} is not what was installed"
        return
    for entry in tree.entries:
        file = host.file(f"{path}/{entry.path}")
        assert file.exists, f"{path}/{entry.path} is missing: run nodeprov install"
        assert file.mode == entry.mode, f"{path}/{entry.path} has the mode {file.mode:04o}, not {entry.mode:04o}"
        assert file.sha256sum == entry.sha256, f"{path}/{entry.path} is not the file that was installed"
    assert found == tree, f"{path} has files that were not installed"


def check_current_generation(subject: Subject, host: Host) -> None:
    """The link `current` leads to the generation that was installed last."""
    wanted = subject.written.get(f"link:{subject.layout.current}")
    link = host.file(subject.layout.current)
    assert link.is_symlink, f"{subject.layout.current} is no link: run nodeprov install"
    target = subject.facts.links.get(subject.layout.current)
    assert wanted == LinkState(target or ""), f"{subject.layout.current} leads to {target}, not to {wanted}"


def check_generation_members(subject: Subject, host: Host) -> None:
    """The current generation's runsc.toml and links are those that were installed."""
    folder = f"{subject.layout.handler_folder}/{subject.facts.links.get(subject.layout.current)}/"
    members = {key: state for key, state in subject.written.items() if f":{folder}" in key}
    assert members, f"no receipt knows the generation {folder}: run nodeprov install"
    for key, state in members.items():
        path = key.partition(":")[2]
        if isinstance(state, FileState):
            file = host.file(path)
            assert file.exists, f"{path} is missing: run nodeprov install"
            assert file.content == state.content, f"{path} is not as it was installed"
            assert file.mode == state.mode, f"{path} has the mode {file.mode:04o}, not {state.mode:04o}"
        elif isinstance(state, LinkState):
            target = host.run("readlink %s", path).stdout.strip()
            assert target == state.target, f"{path} leads to {target or 'nothing'}, not to {state.target}"


def check_link_for_people(subject: Subject, host: Host) -> None:
    """The runsc on people's PATH is the current one."""
    if not subject.settings.paths.bin:
        pytest.skip("[paths] bin is empty: none is wanted")
    path = f"{subject.settings.paths.bin}/runsc"
    target = host.run("readlink %s", path).stdout.strip()
    wanted = f"{subject.layout.current}/runsc"
    assert target == wanted, f"{path} leads to {target or 'nothing'}, not to {wanted}"


def check_runsc_version(subject: Subject, host: Host) -> None:
    """runsc runs and says that it is the release that is current."""
    version = _current_release(subject).split("-")[0]
    said = host.run("%s --version", f"{subject.layout.current}/runsc")
    assert f"release-{version}" in said.stdout, f"runsc --version says {said.stdout or said.stderr!r}"


def _current_release(subject: Subject) -> str:
    folder = f"{subject.layout.handler_folder}/{subject.facts.links.get(subject.layout.current)}"
    return subject.facts.generations.get(folder, "no-release").rsplit("/", 1)[-1]
