"""A label and an object, as a plan shows them."""

from __future__ import annotations

from nodeprov.plan.resources.cluster_states import LabelKind, ObjectKind
from nodeprov.states import LabelState, ObjectState


def test_a_labels_value_is_shown_with_the_one_before() -> None:
    assert LabelKind().change_text(None, LabelState("b")) == " = b"
    assert LabelKind().change_text(LabelState("a"), LabelState("b")) == " = b (was a)"


def test_an_object_is_compared_line_by_line_with_its_fields_in_one_order() -> None:
    state = ObjectState.of({"b": {"d": {}, "c": [1]}, "a": "x"})
    assert ObjectKind().text(state) == "a: x\nb:\n  c: [1]\n  d: {}"
