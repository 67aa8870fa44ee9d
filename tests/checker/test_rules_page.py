from pathlib import Path

from edge_deeplab.checker.rules import family_names, load_family, profile_names
from edge_deeplab.checker.rules_page import write_page

PAGE = Path(__file__).parents[2] / "docs" / "targets.md"


def test_page_in_docs_is_what_the_rules_say():
    written = PAGE.read_text("utf-8") == write_page()
    assert written, "run python -m edge_deeplab.checker.rules_page > docs/targets.md"


def test_write_page_has_every_profile_and_every_rule():
    page = write_page()
    assert [name for name in profile_names() if f"`{name}`" not in page] == []
    rules = [rule for name in family_names() for rule in load_family(name).rules]
    sections = {part.split("\n")[0]: part for part in page.split("### ")[1:]}
    missing = [
        rule.id
        for rule in rules
        if f"| `{rule.id}` | {rule.verdict} |" not in sections[rule.id.split(".")[0]]
    ]
    assert missing == []


def test_write_page_leaves_no_braces_and_no_broken_rows():
    rows = [line for line in write_page().splitlines() if line.startswith("| `")]
    assert not any("{" in row for row in rows)
    assert {row.count(" | ") for row in rows} == {2, 4}
