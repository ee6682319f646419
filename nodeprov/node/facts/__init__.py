"""What is true of a node, read in one command."""

from nodeprov.node.facts.answer import parse_facts as parse_facts
from nodeprov.node.facts.query import FactsQuery as FactsQuery
from nodeprov.node.facts.query import gather as gather
from nodeprov.node.facts.values import Facts as Facts
