# ruff: noqa: RUF001 - look-alike letters are what is tested
"""Content category: the rules by value, and Polars against a real PostgreSQL on awkward text."""

import polars as pl
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientnest_assets.contracts.content_category import content_category, render_macro, rules

EXPECTED = {
    "Big SALE today": "Promotional",
    "sale": "Promotional",
    "Sale!": "Promotional",
    "#sale": "Promotional",
    "(offer)": "Promotional",
    "🔥sale🔥": "Promotional",
    "❤️buy❤️": "Promotional",
    "end of line:\nbuy\nnow": "Promotional",
    "sale, by the team, with a guide?": "Promotional",
    "on\u00a0sale\u00a0now": "Promotional",
    "a guide to the team": "Educational",
    "TIPS": "Educational",
    "How To cook": "Educational",
    "how  to": "Educational",
    "how\nto": "Educational",
    "our team story": "Behind the Scenes",
    "behind-the-scenes": "Behind the Scenes",
    "Our story: a question": "Behind the Scenes",
    "really?": "Interactive",
    "?": "Interactive",
    "Vote now": "Interactive",
    "steam": "General",
    "multiple": "General",
    "wholesale": "General",
    "sales": "General",
    "sale_price": "General",
    "sale2": "General",
    "résale": "General",
    "saleé": "General",
    "Éteam": "General",
    "tiṕ": "General",
    "распродажаsale": "General",
    "ſale": "General",
    "show to": "General",
    "how, to": "General",
    "howto": "General",
    "…": "General",
    "😀": "General",
    "\\": "General",
    "it's": "General",
    "": "Unknown",
    " ": "Unknown",
    "\n\t \r\n": "Unknown",
    "\u00a0\u3000": "Unknown",
}
LETTERS = st.sampled_from(list("saleltipSALE howto teamé́_?!-#\n\t\u00a0🔥️‍ſK٣中Ω"))
WORDS = st.sampled_from(["sale", "Offer", "how to", "TEAM", "vote", "guide", "steam"])


def in_polars(texts):
    return (
        pl.DataFrame({"text": texts}, schema={"text": pl.String})
        .select(content_category(pl.col("text")))
        .to_series()
        .to_list()
    )


@pytest.fixture(scope="module")
def in_postgres(databases):
    macro = render_macro()
    body = macro[macro.index("    case") : macro.index("{%- endmacro %}")].replace("{{ column }}", "text")
    with psycopg.connect(databases.create(), autocommit=True) as connection:
        yield lambda texts: [
            row[0]
            for row in connection.execute(
                f"select {body} from unnest(%s::text[]) with ordinality as posts (text, place) order by place", (texts,)
            )
        ]


def test_each_text_falls_into_the_category_of_the_first_rule_that_matches():
    assert dict(zip(EXPECTED, in_polars(list(EXPECTED)), strict=True)) == EXPECTED


def test_no_text_is_unknown():
    assert in_polars([None]) == ["Unknown"]


def test_postgres_and_polars_agree_on_awkward_text(in_postgres):
    texts = [*EXPECTED, None]

    assert in_postgres(texts) == in_polars(texts)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.one_of(LETTERS, WORDS, st.characters(exclude_characters="\0", exclude_categories=["Cs"]))).map(
            "".join
        ),
        max_size=40,
    )
)
def test_postgres_and_polars_agree_on_any_text(in_postgres, texts):
    assert in_postgres(texts) == in_polars(texts)


def test_every_category_can_be_reached():
    assert set(EXPECTED.values()) == set(rules().categories)
