"""The files of the lab of virtual machines, beside Vagrant's own in the checkout."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from nodeprov.errors import NodeprovError
from nodeprov.local_files import write_private
from nodeprov_lab import credentials
from nodeprov_lab.base import Machine, StateFolder
from nodeprov_lab.credentials import Secrets, make_secrets

MACHINES = (
    Machine("master", "192.168.56.10", "master", "10.244.10.0/24"),
    Machine("worker1", "192.168.56.11", "worker", "10.244.11.0/24"),
    Machine("worker2", "192.168.56.12", "worker", "10.244.12.0/24"),
)
PREFIX = "nodeprov-lab"
"""What the names of the lab's boxes, networks and domains begin with."""


class VagrantState(StateFolder):
    """The lab's folder, in the checkout that has the Vagrantfile."""

    def __init__(self, checkout: Path) -> None:
        super().__init__(checkout / ".vagrant" / "nodeprov-lab")
        self.checkout = checkout
        self.box = self.path / "box"  # names the box that was built; the Vagrantfile reads it
        self.inventory = checkout / "inventory" / "vagrant.toml"

    def remove(self) -> None:
        """Remove what the lab has written; Vagrant's own files are Vagrant's."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.inventory.unlink(missing_ok=True)

    def secrets(self, service_subnet: str) -> Secrets:
        """Return the cluster's secrets; the first machine that asks has them made."""
        file = self.path / "secrets.json"
        with self.locked("secrets"):
            if not file.exists():
                write_private(file, credentials.to_json(make_secrets(MACHINES[0], service_subnet)).encode())
            return credentials.from_json(file.read_text())

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Let one process do this at a time: Vagrant brings its machines up in parallel."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self.path / f"{what}.lock"):
            yield


def find_checkout() -> Path:
    """Return the folder with the Vagrantfile that belongs to this code; raise NodeprovError without one."""
    checkout = Path(__file__).parents[2]
    if not (checkout / "Vagrantfile").is_file() or not (checkout / "pyproject.toml").is_file():
        raise NodeprovError(
            "the Vagrantfile is in nodeprov's sources, and this nodeprov was installed without them",
            "clone nodeprov's repository, run script/bootstrap there, and then: .venv/bin/nodeprov lab up "
            "--provider vagrant",
        )
    return checkout
