"""Variants side by side: on the same posts, with the difference's uncertainty, or not at all."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.engagement.comparison import better_than_standard, compare
from clientnest_assets.models.errors import ModelError

START = datetime(2025, 3, 1, tzinfo=UTC)


def measured(errors, accounts=None):
    """Evaluation rows with these errors of prediction, around labels that differ."""
    count = len(errors)
    label = [float(4 + i % 3) for i in range(count)]
    return pl.DataFrame(
        {
            "post_id": list(range(count)),
            "account_id": accounts or list(range(count)),
            "as_of": [START + timedelta(hours=i) for i in range(count)],
            "log_engagement": label,
            "predicted_log_engagement": [value + error for value, error in zip(label, errors, strict=True)],
        }
    )


def test_the_difference_of_errors_is_taken_post_by_post_with_its_interval():
    standard = measured([1.0, -1.0, 1.0, -1.0])
    wide = measured([0.5, -0.9, 0.5, 0.9])
    found = compare({"standard": standard, "wide": wide.sample(fraction=1, shuffle=True, seed=3)})
    assert found["variant"].to_list() == ["standard", "wide"]
    assert found["rows"].to_list() == [4, 4]
    assert found["mae"].to_list() == [1.0, 0.7]
    assert found["error_more"].to_list() == pytest.approx([0.0, -0.3])
    # Differences -0.5, -0.1, -0.5, -0.1: deviations of 0.2, so a standard error of sqrt(4 * 0.2² * 4/3) / 4. Of four accounts
    # Student's t of three degrees tells.
    half = 3.182446 * 0.1 * np.sqrt(4 / 3)
    assert found.row(1)[-2:] == pytest.approx((-0.3 - half, -0.3 + half))
    assert better_than_standard(found) == []
    many = compare({"standard": measured([1.0, -1.0] * 20), "wide": measured([0.5, -0.9] * 20)})
    assert better_than_standard(many) == ["wide"]


def test_posts_of_one_account_count_together():
    standard = measured([1.0] * 4, accounts=[1, 1, 2, 2])
    wide = measured([0.5, 0.5, 0.9, 0.9], accounts=[1, 1, 2, 2])
    found = compare({"standard": standard, "wide": wide})
    half = 12.706205 * np.sqrt((0.4**2 + 0.4**2) * 2) / 4
    assert found.row(1)[-2:] == pytest.approx((-0.3 - half, -0.3 + half))


def test_one_account_tells_nothing_of_chance():
    standard, wide = (measured([error] * 9, accounts=[1] * 9) for error in (1.0, 0.1))
    found = compare({"standard": standard, "wide": wide})
    assert found.row(1)[-3:] == (pytest.approx(-0.9), None, None)
    assert better_than_standard(found) == []


def test_a_variant_that_is_worse_or_no_different_is_not_better():
    standard = measured([1.0, 1.0, 1.0, 1.0])
    chance = measured([0.1, 1.8, 0.1, 1.8])
    assert better_than_standard(compare({"standard": standard, "worse": measured([2.0] * 4), "chance": chance})) == []


@pytest.mark.parametrize("change", ["post", "label"])
def test_variants_of_other_posts_or_outcomes_are_not_compared(change):
    standard = measured([1.0, 1.0])
    other = measured([1.0, 1.0, 1.0]) if change == "post" else standard.with_columns(log_engagement=pl.lit(9.0))
    with pytest.raises(ModelError, match="lean: measured on other posts, or other outcomes"):
        compare({"standard": standard, "lean": other})
