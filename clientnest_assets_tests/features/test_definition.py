"""The canonical source of a view's code moves with what is computed, and with nothing else."""

from __future__ import annotations

import importlib.util
import sys
import textwrap

import pytest

from clientnest_assets.contracts.content_category import rules
from clientnest_assets.features.definition import NoSourceError, code_of
from clientnest_assets.features.views.content import CONTENT

BEFORE = '''
"""A module."""
from clientnest_assets.partitions import ONE_DAY, Window, monday

HALF_LIFE = 5
LIMITS = {"posts": (1, 20), "name": "x"}

def helper(value):
    """In words."""
    return value * HALF_LIFE

def compute(inputs, window):
    """What it gives."""
    first = monday(window.start)  # a reason
    return helper(inputs["rows"]), first, ONE_DAY, LIMITS
'''


@pytest.fixture
def computed(tmp_path):
    """Loads a module's text and gives the code of its `compute`."""
    names = []

    def load(text):
        name = f"clientnest_assets_views_of_a_test_{len(names)}"
        file = tmp_path / f"{name}.py"
        file.write_text(textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location("clientnest_assets_view_of_a_test", file)
        module = importlib.util.module_from_spec(spec)
        # Each is the same module as far as anybody can tell.
        sys.modules["clientnest_assets_view_of_a_test"] = module
        names.append(name)
        spec.loader.exec_module(module)
        return code_of(module.compute)

    yield load
    sys.modules.pop("clientnest_assets_view_of_a_test", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Other words."""'),
        ('"""What it gives."""', '"""Said in another way."""'),
        ("  # a reason", ""),
        ("def compute(inputs, window):", "def compute(inputs: dict, window: Window) -> tuple:"),
        ("value * HALF_LIFE", "(value\n            * HALF_LIFE)"),
    ],
    ids=["module words", "docstring", "comment", "annotations", "layout"],
)
def test_words_and_layout_are_no_part_of_a_definition(computed, old, new):
    assert old in BEFORE
    assert computed(BEFORE) == computed(BEFORE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('inputs["rows"]', 'inputs["others"]'),
        ("value * HALF_LIFE", "value + HALF_LIFE"),
        ("HALF_LIFE = 5", "HALF_LIFE = 6"),
        ("(1, 20)", "(1, 21)"),
    ],
    ids=["the function", "what it calls", "a constant of what it calls", "a constant within a constant"],
)
def test_what_is_computed_is_part_of_it(computed, old, new):
    assert old in BEFORE
    assert computed(BEFORE) != computed(BEFORE.replace(old, new))


def test_functions_of_other_modules_of_ours_are_followed_and_libraries_are_not(computed):
    code = computed(BEFORE)
    assert "clientnest_assets.partitions.monday" in code
    assert "timedelta(days=day.weekday())" in code
    # The category of a post is decided in the contracts.
    assert "clientnest_assets.contracts.content_category.content_category" in code_of(CONTENT.compute)
    assert "polars" not in code_of(CONTENT.compute).replace("import polars", "")


def test_rules_read_from_a_file_are_part_of_it(computed, tmp_path):
    (tmp_path / "rules.txt").write_text("sale")
    reading = f"""
        from functools import cache
        from pathlib import Path

        @cache
        def rules():
            return Path({str(tmp_path / "rules.txt")!r}).read_text()

        def compute(inputs, window):
            return inputs, rules()
    """
    before = computed(reading)
    assert computed(reading) == before

    (tmp_path / "rules.txt").write_text("sale, discount")

    assert computed(reading) != before
    assert repr(rules()) in code_of(CONTENT.compute)


def test_what_has_no_name_has_no_definition():
    with pytest.raises(NoSourceError, match="function with a name"):
        code_of(lambda inputs, _window: inputs)
