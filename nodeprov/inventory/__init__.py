"""The inventory: which nodes there are, how they are reached, and what is wanted on them."""

from nodeprov.inventory.nodes import Inventory as Inventory
from nodeprov.inventory.nodes import KubectlHost as KubectlHost
from nodeprov.inventory.nodes import Node as Node
from nodeprov.inventory.nodes import select as select
from nodeprov.inventory.parser import parse as parse
from nodeprov.inventory.settings import ClusterSettings as ClusterSettings
from nodeprov.inventory.settings import ContainerdSettings as ContainerdSettings
from nodeprov.inventory.settings import Label as Label
from nodeprov.inventory.settings import Paths as Paths
from nodeprov.inventory.settings import ProofSettings as ProofSettings
from nodeprov.inventory.settings import ReleaseSettings as ReleaseSettings
from nodeprov.inventory.settings import RolloutSettings as RolloutSettings
from nodeprov.inventory.settings import RuntimeClassSettings as RuntimeClassSettings
from nodeprov.inventory.settings import RuntimeSettings as RuntimeSettings
from nodeprov.inventory.settings import Settings as Settings
from nodeprov.inventory.settings import Ssh as Ssh
from nodeprov.inventory.settings import TrustSettings as TrustSettings
