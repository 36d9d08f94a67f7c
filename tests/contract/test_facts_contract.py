"""Everything that is observed of a target is a fact that is compared, or says why it is none."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from harness.dataset import targets
from harness.ledger import reader
from harness.model.facts import FACTS, NO_FACT, differing
from harness.model.fingerprint import Fingerprint, Settings

ROOT = Path(__file__).parents[2]
NAMED = {fact.name for fact in FACTS} | set(NO_FACT)


def from_inside() -> set[str]:
    """The names that the script says; of those made of a file's name the part before it."""
    script = (ROOT / "harness" / "fingerprint" / "inside.sh").read_text()
    words = re.findall(r"\b(?:say|file|chosen|status \w+) \"?([a-z_0-9]+)", script)
    return {word for word in words if not word.startswith(("mitigation_", "cpuid_"))}


def from_outside() -> set[str]:
    """The keys of what the backends' modules hand back."""
    names = set()
    for file in (ROOT / "harness" / "backends").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in {"observe", "described"}:
                for each in ast.walk(node):
                    if isinstance(each, ast.Dict):
                        names |= {k.value for k in each.keys if isinstance(k, ast.Constant)}
    no_names = {"arguments", "execute", "no", "veth", "yes"}  # of commands, and values
    return {name for name in names if isinstance(name, str)} - no_names


@pytest.mark.parametrize("of", [Fingerprint, Settings])
def test_each_field_is_a_fact_or_says_why_not(of: type) -> None:
    assert {field.name for field in dataclasses.fields(of)} <= NAMED


def test_each_name_from_inside_is_a_fact_or_says_why_not() -> None:
    found = from_inside()
    assert len(found) > 40
    assert found - NAMED == set()


def test_each_name_from_the_host_is_a_fact_or_says_why_not() -> None:
    found = from_outside()
    assert len(found) > 30
    assert found - NAMED == set()


def test_no_name_is_both() -> None:
    assert {fact.name for fact in FACTS} & set(NO_FACT) == set()
    assert len({fact.name for fact in FACTS}) == len(FACTS)
    assert len({fact.title for fact in FACTS}) == len(FACTS)


def test_each_fact_has_a_column() -> None:
    assert {fact.name for fact in FACTS} <= set(targets.SCHEMA)


def test_a_real_record_does_not_differ_from_itself() -> None:
    for record in reader.read_manifest(ROOT / "docs" / "example").targets:
        assert list(differing(record, record)) == []
        assert sum(fact.of(record) is not None for fact in FACTS) > 25
