"""What nodeprov wrote is on the node as its receipts say, containerd serves it, and a sandbox runs."""

from testinfra.host import Host

from nodeprov import containerd
from nodeprov.containerd import Config, drop_in_path
from nodeprov.containerd.distributions.distribution import How
from nodeprov.diagnosis.verify.subject import Subject, because, needs, skip
from nodeprov.engine.actions import Containerd
from nodeprov.hosts.base import Place
from nodeprov.node import loaded_config
from nodeprov.node.as_installed import release_difference
from nodeprov.node.imported_files import import_problems
from nodeprov.plan.files import TreeAt
from nodeprov.states import FileState, LinkState


def check_receipt(subject: Subject) -> None:
    """A receipt on the node records that nodeprov installed the handler."""
    folder = f"{subject.state.settings.paths.state}/receipts"
    assert subject.state.history.written, because(f"{folder} has no receipt of an installation", subject.install)


@needs("receipt")
def check_current_generation(subject: Subject, host: Host) -> None:
    """The link `current` leads to the generation that was installed last."""
    path = subject.layout.current
    wanted = subject.state.history.written.get(f"link:{path}")
    assert host.file(path).is_symlink, because(f"{path} is missing or no link", subject.install)
    found = LinkState(subject.state.footprint.links.get(path, ""))
    said = wanted.target if isinstance(wanted, LinkState) else "nothing"
    assert found == wanted, because(f"{path} leads to {found.target}; {said} was installed last", subject.install)


@needs("current_generation")
def check_generation_links(subject: Subject, host: Host) -> None:
    """The current generation's links are those that were installed."""
    members = subject.members
    assert members, because(f"no receipt knows the generation {subject.generation}", subject.install)
    for path, state in members.items():
        if isinstance(state, LinkState):
            _assert_leads_to(subject, host, path, state.target)


@needs("current_generation")
def check_generation_files(subject: Subject, host: Host) -> None:
    """The current generation's {config} is the one that was installed."""
    for path, state in subject.members.items():
        if isinstance(state, FileState):
            file = host.file(path)
            assert file.exists, because(f"{path} is missing", subject.install)
            assert file.content == state.content, because(f"{path} is not as it was installed", subject.install)
            assert file.mode == state.mode, because(
                f"{path} has the mode {file.mode:04o}, not {state.mode:04o}", subject.install
            )


@needs("generation_links")
def check_release_files(subject: Subject) -> None:
    """Every file of the current release has the digest and the mode that were installed."""
    path = f"{subject.layout.releases}/{subject.release}"
    found = subject.hosts[Place.NODE].ask([TreeAt(path)])[0]
    differs = release_difference(path, found, subject.state.history.written.get(f"tree:{path}"))
    assert differs is None, because(differs[0], subject.install)


@needs("release_files")
def check_program_version(subject: Subject, host: Host) -> None:
    """{program} runs, and its version is that of the current release."""
    path = f"{subject.layout.current}/{subject.layout.program}"
    said = host.run("%s --version", path)
    wanted = subject.family.inspection.says_version(subject.release.rpartition("-")[0])
    found = (said.stdout or said.stderr).strip().split("\n")[0]
    # It is the file that was installed: then it is the node that does not let it run.
    remedy = f"findmnt -T {subject.layout.prefix} shows whether programs there may be executed"
    assert wanted in said.stdout, because(f"{path} --version says {found!r}, not {wanted}", remedy)


def check_link_for_people(subject: Subject, host: Host) -> None:
    """The {program} on the PATH is the current one."""
    if not subject.state.settings.paths.bin:
        skip("[paths] bin is empty: none is wanted")
    path, wanted = subject.layout.link_for_people, f"{subject.layout.current}/{subject.layout.program}"
    _assert_leads_to(subject, host, path, wanted)


def _assert_leads_to(subject: Subject, host: Host, path: str, wanted: str) -> None:
    target = host.run("readlink %s", path).stdout.strip()
    if subject.state.is_neighbours(target):
        skip(f"{path} is another handler's: it leads to {target}")
    assert target == wanted, because(f"{path} leads to {target or 'nothing'}, not to {wanted}", subject.install)


def check_cri(subject: Subject) -> None:
    """containerd's CRI plugin works."""
    daemon = subject.state.daemon
    errors = daemon.cri_errors
    assert not errors, because("; ".join(errors), f"journalctl -u {daemon.unit} on the node shows why")


def check_config_table(subject: Subject) -> None:
    """containerd's configuration file has nodeprov's table."""
    daemon = subject.state.daemon
    # A distribution's template is no TOML, what is made of it is; a drop-in is itself what has the table.
    is_drop_in = daemon.source is not None and daemon.source.how is How.DROP_IN
    path, file = (daemon.edited_path, daemon.edited) if is_drop_in else (daemon.config_path, daemon.config)
    config = Config.of(file.content if file else b"", path)
    handler = subject.layout.handler
    own = drop_in_path(daemon.config_path, config, handler)
    place = containerd.runtimes_place(config, daemon.version_to_start)
    table = config.table((*place, handler))
    if own and own in subject.imports.files and table is None:
        table = subject.imports.files[own].config.declared(handler)
    assert table is not None, because(f"{path} has no runtime {handler}", subject.install)
    assert loaded_config.same_table(table, subject.runtime.table()), because(
        f"{path} has another table for the runtime {handler}: {dict(table)}", subject.install
    )


@needs("config_table")
def check_effective_configuration(subject: Subject) -> None:
    """Nothing that containerd imports overrides nodeprov's table."""
    daemon = subject.state.daemon
    handler = subject.layout.handler
    problems = import_problems(daemon, subject.runtime, subject.imports)
    assert not problems, because("; ".join(each.message for each in problems), problems[0].hint)
    table = daemon.effective.runtime(handler)
    assert loaded_config.same_table(table, subject.runtime.table()), because(
        f"containerd would read {table and dict(table)} for the runtime {handler}",
        f"{daemon.binary} -c {daemon.config_path} config dump, on the node",
    )


@needs("effective_configuration", "cri")
def check_loaded(subject: Subject) -> None:
    """The running containerd has loaded nodeprov's runtime."""
    daemon, record = subject.state.daemon, subject.state.footprint.record
    loaded = loaded_config.loaded_runtime(daemon, record, subject.layout.handler, subject.imports.files)
    assert not isinstance(loaded, loaded_config.NotKnown), because(
        "nothing shows what the running containerd has loaded", subject.install
    )
    assert loaded_config.same_table(loaded, subject.runtime.table()), because(
        f"it was started with {dict(loaded) if loaded else 'no table'} for the runtime {subject.layout.handler}",
        subject.install,
    )


@needs("program_version")
def check_sandbox(subject: Subject) -> None:
    """A sandbox runs through the current shim and {config}."""
    Containerd(subject.hosts[Place.NODE], subject.state, subject.family).sandbox(subject.layout.current)
