"""The page of what a workload meets is what the catalogue says."""

from nodeprov.workloads.catalogue import catalogue
from nodeprov.workloads.manual import COMMAND, PAGE, page


def test_the_page_is_written_anew_when_the_catalogue_changes() -> None:
    assert PAGE.read_text() == page(), f"write it: {COMMAND}"


def test_each_behaviour_can_be_linked_to() -> None:
    for name in catalogue():
        assert f"\n### {name}\n" in page()
