"""What is true of a node, read in one command."""

from nodeprov.node.facts.answer import parse_facts as parse_facts
from nodeprov.node.facts.parsers import parse_mounts as parse_mounts
from nodeprov.node.facts.parsers import parse_plugins as parse_plugins
from nodeprov.node.facts.parsers import parse_record as parse_record
from nodeprov.node.facts.parsers import parse_span as parse_span
from nodeprov.node.facts.parsers import parse_version as parse_version
from nodeprov.node.facts.query import SWITCH_UNIT as SWITCH_UNIT
from nodeprov.node.facts.query import WAIT_SECONDS as WAIT_SECONDS
from nodeprov.node.facts.query import FactsQuery as FactsQuery
from nodeprov.node.facts.query import SwitchAtWork as SwitchAtWork
from nodeprov.node.facts.query import gather as gather
from nodeprov.node.facts.values import Daemon as Daemon
from nodeprov.node.facts.values import Facts as Facts
from nodeprov.node.facts.values import Identity as Identity
from nodeprov.node.facts.values import Mount as Mount
from nodeprov.node.facts.values import Plugin as Plugin
from nodeprov.node.facts.values import Record as Record
from nodeprov.node.facts.values import Switched as Switched
from nodeprov.node.facts.values import dotted as dotted
from nodeprov.node.facts.values import is_cri as is_cri
