"""What an operator has this machine do before and after each node of a rollout."""

from dataclasses import dataclass, replace

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import run_program
from nodeprov.inventory import RolloutSettings
from nodeprov.plan.plan import Outcome

DONE, FAILED = "done", "failed"


@dataclass(frozen=True, slots=True)
class Hooks:
    """The commands around one node's run."""

    settings: RolloutSettings
    node: str
    action: str

    def before(self) -> None:
        """Run the command before the node; raise NodeprovError if it fails."""
        if self.settings.before:
            self._run("before", self.settings.before, {})

    def after(self, outcome: Outcome) -> Outcome:
        """Run the command after the node; if it fails, the outcome says so."""
        if not self.settings.after:
            return outcome
        result = FAILED if outcome.exit_code else DONE
        try:
            self._run("after", self.settings.after, {"NODEPROV_RESULT": result})
        except NodeprovError as error:
            return replace(outcome, later=error)
        return outcome

    def _run(self, key: str, command: str, environment: dict[str, str]) -> None:
        said = {"NODEPROV_NODE": self.node, "NODEPROV_ACTION": self.action, **environment}
        limit = self.settings.hook_timeout_seconds
        hint = f"run it by hand: NODEPROV_NODE={self.node} NODEPROV_ACTION={self.action} sh -c ..."
        try:
            output = run_program(["sh", "-c", command], timeout_seconds=limit, environment=said)
        except NodeprovError as error:
            raise NodeprovError(f"[rollout] {key}: {error.message}", hint, where=self.node) from None
        if output.returncode:
            complaint = output.said or "it printed nothing"
            raise NodeprovError(
                f"[rollout] {key} ended with {output.returncode}: {complaint}", hint, where=self.node
            )
