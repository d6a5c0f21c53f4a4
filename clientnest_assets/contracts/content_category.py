r"""A post's content category: the rules of content_categories.yaml as a Polars expression, a dbt macro and a dbt seed.

Both run the same regular expressions, letter for letter. So these use only what Rust and PostgreSQL
read alike, whatever the database's collation: no look-around, no flags, no `\w`, `\s` or `\b`, and no
class but explicit ranges of code points. What else may be derived from a post's text is a feature,
and does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from importlib import resources

import polars as pl
import yaml

from clientnest_assets.contracts.postgres import literal

RULES_FILE = "content_categories.yaml"

LETTERS = (
    r"0-9A-Za-z_"
    r"\u00AA\u00B5\u00BA\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u1FFF\u2C00-\u2DFF\u3041-\uD7FF"
    r"\uF900-\uFDFF\uFE70-\uFEFE\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A\uFF66-\uFFDC"
    r"\U00010000-\U0001EFFF\U00020000-\U0003FFFF"
)
"""What a word is made of: letters, digits and marks of any script, and the underscore. Emoji, symbols,
variation selectors and joiners are not part of it, so that a word beside an emoji is a word."""

SPACE = r"[\t\n\u000B\f\r \u00A0\u2000-\u200B\u202F\u3000]"
"""White space, with the spaces that do not break."""


@dataclass(frozen=True)
class Rule:
    """One category and what tells it."""

    category: str
    words: tuple[str, ...]
    characters: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """The regular expression that finds any of the words or characters."""
        words = "|".join(_phrase(word) for word in self.words)
        whole = f"(?:^|[^{LETTERS}])(?:{words})(?:[^{LETTERS}]|$)"
        return "|".join([whole, *(f"[{character}]" for character in self.characters)])

    @property
    def description(self) -> str:
        """The rule in words."""
        told = f"one of the words {', '.join(self.words)}"
        return f"{told}, or one of the characters {' '.join(self.characters)}" if self.characters else told


@dataclass(frozen=True)
class Rules:
    """The whole definition, in the order in which it is tried."""

    empty: str
    rules: tuple[Rule, ...]
    otherwise: str

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category that a post can have, in the order of the rules."""
        return (*(rule.category for rule in self.rules), self.otherwise, self.empty)


@cache
def rules() -> Rules:
    """The packaged rules."""
    text = resources.files("clientnest_assets.contracts").joinpath(RULES_FILE).read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    return Rules(
        empty=content["empty"],
        rules=tuple(
            Rule(rule["category"], tuple(rule["words"]), tuple(rule.get("characters", ()))) for rule in content["rules"]
        ),
        otherwise=content["otherwise"],
    )


def content_category(text: pl.Expr) -> pl.Expr:
    """The category of each post, by its text.

    Args:
        text: The posts' texts, as strings. Null and blank text is Unknown.

    Returns:
        One of `rules().categories` a row, never null.
    """
    definition = rules()
    by_rule = reduce(
        lambda otherwise, rule: (
            pl.when(text.str.contains(rule.pattern)).then(pl.lit(rule.category)).otherwise(otherwise)
        ),
        reversed(definition.rules),
        pl.lit(definition.otherwise),
    )
    is_empty = text.is_null() | text.str.contains(_blank())
    return pl.when(is_empty).then(pl.lit(definition.empty)).otherwise(by_rule)


def render_macro() -> str:
    """The dbt macro `content_category(column)`, as the text of its file."""
    definition = rules()
    return "\n".join(
        [
            f"{{# Generated from clientnest_assets/contracts/{RULES_FILE} by",
            "   `python -m clientnest_assets.contracts.dbt_sources`. Change the rules there. -#}",
            "",
            "{#- The content category of a text column. #}",
            "{% macro content_category(column) -%}",
            "    case",
            f"        when {{{{ column }}}} is null or {{{{ column }}}} ~ {literal(_blank())}",
            f"            then {literal(definition.empty)}",
            *(
                f"        when {{{{ column }}}} ~ {literal(rule.pattern)}\n            then {literal(rule.category)}"
                for rule in definition.rules
            ),
            f"        else {literal(definition.otherwise)}",
            "    end",
            "{%- endmacro %}",
            "",
        ]
    )


def render_seed() -> str:
    """The dbt seed of dim_content_category, as CSV: every category with its rule in words, in the order of the rules."""
    definition = rules()
    described = [
        *(
            (rule.category, f"The text has {rule.description}, and no rule before matched.")
            for rule in definition.rules
        ),
        (definition.otherwise, "The text has none of the words that tell a category."),
        (definition.empty, "The post has no text, or its row has not arrived."),
    ]
    rows = ((category, order, rule) for order, (category, rule) in enumerate(described, 1))
    frame = pl.DataFrame(rows, schema=["content_category", "category_order", "rule"], orient="row")
    return frame.write_csv()


def _phrase(words: str) -> str:
    """A word or phrase in any case. Letters are paired here: each engine folds case in its own way."""
    return f"{SPACE}+".join("".join(f"[{letter.lower()}{letter.upper()}]" for letter in word) for word in words.split())


def _blank() -> str:
    return f"^{SPACE}*$"
