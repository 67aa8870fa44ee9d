"""`edge-deeplab check --explain RULE`: one rule in full, with its evidence."""

from typing import TYPE_CHECKING

from edge_deeplab.cli.output import print_json

if TYPE_CHECKING:
    from edge_deeplab.checker.explain import ExplainedRule


def show_rule(explanation: "ExplainedRule", *, as_json: bool) -> None:
    """Print a rule."""
    if as_json:
        print_json(explanation.to_json())
        return
    from edge_deeplab.cli.tables import print_fields
    from edge_deeplab.cli.terminal import stdout_console

    rule = explanation.rule
    rows = {
        "rule": rule.id,
        "verdict": explanation.verdict,
        "speaks about": explanation.condition,
        "reason": rule.reason,
        "what mends it": rule.rewrite or "nothing known",
        "in an export": rule.mend or "no rewrite",
        "source": rule.source,
        "date": rule.date,
        "confidence": explanation.confidence,
        "profiles": ", ".join(explanation.profiles),
    }
    print_fields(stdout_console(), rows)
