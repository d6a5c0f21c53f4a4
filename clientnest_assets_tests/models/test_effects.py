"""Effects within accounts: who posts is no effect of what they post, spreads and errors are learned, thread counts are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.design import Design, Term
from clientnest_assets.models.effects import (
    BLOCK,
    BLOCK_POSTS,
    Effects,
    contrasts,
    fit_effects,
    gather,
    spread_of,
    with_blocks,
)
from clientnest_assets.models.errors import ForeignModelError

TERMS = (Term("colour"), Term("colour", "platform"), Term("marks"))
EFFECT = {"red": 0.4, "green": 0.0, "blue": -0.3}


def make_rows(posts: int = 4000, seed: int = 2) -> pl.DataFrame:
    """Blue posts are those of famous accounts; red ones get 0.5 more on x only; the mark m adds 0.3."""
    rng = np.random.default_rng(seed)
    account = rng.integers(0, 50, posts)
    fame = np.linspace(-2, 2, 50)
    colours = np.array(list(EFFECT))
    colour = colours[np.where(rng.random(posts) < 0.4 + 0.2 * fame[account], 2, rng.integers(0, 2, posts))]
    platform = np.array(["x", "y"])[account % 2]
    mark = rng.random(posts) < 0.3
    value = fame[account] + np.array([EFFECT[name] for name in colour]) + 0.3 * mark
    value += 0.5 * ((colour == "red") & (platform == "x"))
    noise = np.where(platform == "x", 0.3, 0.9)
    return pl.DataFrame(
        {
            "post_id": np.arange(posts),
            "account_id": account,
            "platform": platform,
            AS_OF: [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=20 * place) for place in range(posts)],
            "colour": colour,
            "marks": [["m"] if marked else [] for marked in mark],
            "value": value + rng.normal(0, noise),
        }
    )


def fit(rows: pl.DataFrame) -> tuple[Effects, np.ndarray]:
    design = Design.of(rows, TERMS, min_count=5)
    return fit_effects(design, gather(design, with_blocks(rows), "value"))


def on(effects: Effects, colour: str, platform: str) -> float:
    rows = pl.DataFrame(
        {"colour": [colour], "platform": [platform], "marks": [[]]}, schema_overrides={"marks": pl.List(pl.String)}
    )
    return float(effects.adds(rows)[0])


def test_fame_is_no_effect_of_what_the_famous_post():
    rows = make_rows()
    raw = rows.group_by("colour").agg(pl.col("value").mean()).sort("value")
    assert raw["colour"].to_list()[-1] == "blue"
    effects, _ = fit(rows)
    assert on(effects, "red", "y") - on(effects, "blue", "y") == pytest.approx(0.7, abs=0.1)
    assert on(effects, "red", "x") - on(effects, "green", "x") == pytest.approx(0.9, abs=0.05)
    marks = effects.design.positions(Term("marks"))[0]
    assert effects.means[marks] == pytest.approx([0.3], abs=0.04)


def test_noise_and_spreads_are_learned():
    effects, _ = fit(make_rows())
    assert effects.noise["x"] == pytest.approx(0.3, abs=0.02)
    assert effects.noise["y"] == pytest.approx(0.9, abs=0.05)
    noise = np.random.default_rng(5).normal(0, 1, 4000)
    nothing, _ = fit(make_rows().with_columns(pl.Series("value", noise)))
    assert max(nothing.spreads.values()) < 0.1
    assert np.abs(nothing.means).max() < 0.08


def test_errors_cover_the_truth():
    inside = []
    for seed in range(20):
        effects, covariance = fit(make_rows(800, seed))
        difference = np.zeros(effects.design.width)
        for term, line in ((Term("colour"), 0), (Term("colour", "platform"), 1)):
            places = effects.design.positions(term)[line]
            names = effects.design.vocabulary["colour"]
            difference[places[names.index("red")]] = 1
            difference[places[names.index("blue")]] = -1
        error = np.sqrt(difference @ covariance @ difference)
        inside.append(abs(difference @ effects.means - 0.7) < 1.2816 * error)
    assert 11 <= sum(inside) <= 20


def test_a_rising_account_is_followed_by_its_blocks():
    rows = make_rows()
    rising = rows.with_columns(pl.col("value") + pl.int_range(pl.len()) / 400)
    assert on(fit(rising)[0], "red", "y") - on(fit(rising)[0], "blue", "y") == pytest.approx(0.7, abs=0.15)
    blocks = with_blocks(rows).group_by("account_id", BLOCK).len()
    assert blocks["len"].max() < 2 * BLOCK_POSTS
    assert blocks[BLOCK].n_unique() == blocks.height
    assert with_blocks(rows)["post_id"].equals(rows["post_id"])


def test_contrasts_add_up_to_nothing_in_each_block():
    away = contrasts(np.array([1.0, 3.0, 5.0, 9.0]), np.array([4, 4, 7, 4]))
    assert away.tolist() == pytest.approx([-10 / 3, -4 / 3, 0, 14 / 3], abs=1e-6)


def test_single_posts_are_no_evidence():
    rows = make_rows(60).with_columns(account_id=pl.col("post_id"))
    assert gather(Design.of(rows, TERMS, min_count=2), with_blocks(rows), "value") == {}


def test_what_is_not_in_the_vocabulary_has_no_effect():
    effects, _ = fit(make_rows())
    assert on(effects, "yellow", "z") == 0
    rows = pl.DataFrame({"noise": ["z"]}).select(effects.noise_of("noise"))
    assert rows.item() == max(effects.noise.values())


def test_it_comes_back_from_json():
    effects, _ = fit(make_rows())
    again = Effects.from_json(effects.to_json())
    assert again.adds(make_rows()).tolist() == effects.adds(make_rows()).tolist()
    with pytest.raises(ForeignModelError, match="marks"):
        again.adds(make_rows().drop("marks"))


def test_spread_of_effects_that_were_each_measured_by_itself():
    rng = np.random.default_rng(1)
    information = np.full(2000, 30.0)
    estimate = rng.normal(0, 0.3, 2000) + rng.normal(0, 30**-0.5, 2000)
    assert spread_of(information, information * estimate) == pytest.approx(0.3, abs=0.04)
    only_noise = rng.normal(0, 30**-0.5, 2000)
    assert spread_of(information, information * only_noise) < 0.05
    assert spread_of(np.zeros(3), np.zeros(3)) == 0
