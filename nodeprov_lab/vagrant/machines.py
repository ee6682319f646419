"""The machines of the Vagrantfile, as the cluster's installation knows them."""

from __future__ import annotations

from nodeprov_lab.base import Machine

MACHINES = (
    Machine("master", "192.168.56.10", "master", "10.244.10.0/24"),
    Machine("worker1", "192.168.56.11", "worker", "10.244.11.0/24"),
    Machine("worker2", "192.168.56.12", "worker", "10.244.12.0/24"),
)
PREFIX = "nodeprov-lab"
"""What the names of the lab's boxes, networks and domains begin with."""
