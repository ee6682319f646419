"""Each proof asks what it is about."""

from __future__ import annotations

from nodeprov.plan.steps import Handler, Made, Pod, Proof, Sandbox, Serving, Unused


class Asked:
    """A node that says which of its probes was asked, and for what."""

    def made(self, handler: str) -> str:
        return f"made {handler}"

    def serving(self) -> str:
        return "serving"

    def sandbox(self, generation: str) -> str:
        return f"sandbox {generation}"

    def unused(self) -> str:
        return "unused"

    def handler(self, name: str = "") -> str:
        return "handler"

    def pod(self, handler: str = "") -> str:
        return "pod"


def test_each_proof_is_seen_by_the_probe_whose_name_programs_are_told() -> None:
    proofs: list[Proof] = [Made("t", "runsc"), Serving(), Sandbox("t", "/g"), Unused(), Handler(), Pod("t")]
    assert [proof.see(Asked()) for proof in proofs] == [f"{each.name} {each.subject}".strip() for each in proofs]
