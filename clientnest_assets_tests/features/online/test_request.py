"""A draft's features: those of its text by the function that offline uses, those of its author from the online store."""

from datetime import timedelta

import polars as pl
import pytest

from clientnest_assets.features.online import draft_features, features_on_request
from clientnest_assets.features.point_in_time import get_historical_features
from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.view import MOMENT, FeatureViewError
from clientnest_assets.features.views.content import CONTENT, content_features
from clientnest_assets_tests.features.online.conftest import NOW, position, simple_rows, simple_view

DRAFTS = pl.DataFrame(
    [
        (1, "Is this a sale? #Deal 🚀", None, "image", True),
        (2, None, ["Kept"], None, None),
    ],
    {
        "user_id": pl.Int64(),
        "content": pl.String(),
        "hashtags": pl.List(pl.String()),
        "media_type": pl.String(),
        "ai_generated": pl.Boolean(),
    },
    orient="row",
)


def test_a_draft_has_the_features_that_a_stored_post_has():
    found = features_on_request(CONTENT, DRAFTS)

    offline = content_features(DRAFTS.lazy()).collect()
    for name in CONTENT.feature_names:
        assert found[f"content__{name}"].to_list() == offline[name].to_list(), name
    assert found.select(DRAFTS.columns).equals(DRAFTS)
    assert found["content__status"].to_list() == ["PRESENT", "PRESENT"]
    assert found["content__age_seconds"].to_list() == [0, 0]
    assert found["content__hashtags"].to_list() == [["deal"], ["kept"]]


def test_drafts_and_stored_posts_have_the_same_columns(store):
    views = [simple_view("counts"), CONTENT, simple_view("others")]
    store.publish(views[0], simple_rows([10], NOW - timedelta(hours=2)), position(1))

    found = draft_features(store, DRAFTS, views, NOW)

    stored = {view: pl.DataFrame(schema=view.schema) for view in views}
    rows = DRAFTS.with_columns(pl.lit(NOW).cast(MOMENT).alias("as_of"), post_id=pl.lit(1, pl.Int64()))
    assert found.schema == get_historical_features(rows, stored).drop("as_of", "post_id").collect_schema()
    assert found["counts__value"].to_list() == [10, None]
    assert found["counts__age_seconds"].to_list() == [7200, None]
    assert found["others__status"].to_list() == ["MISSING", "MISSING"]
    assert found["content__has_question"].to_list() == [True, False]


def test_what_has_a_default_may_be_left_out():
    found = features_on_request(CONTENT, DRAFTS.drop("ai_generated"))

    assert found["content__ai_generated"].to_list() == [False, False]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda drafts: drafts.drop("content"), r"a request for content: content \(String needed, missing found\)"),
        (lambda drafts: drafts.with_columns(hashtags=pl.lit("a")), r"hashtags \(List\(String\) needed, String found\)"),
    ],
    ids=["missing", "type"],
)
def test_a_request_that_does_not_fit_is_refused(spoil, message):
    with pytest.raises(FeatureViewError, match=message):
        features_on_request(CONTENT, spoil(DRAFTS))


def test_a_view_of_history_cannot_be_computed_from_a_request():
    view = next(view for view in VIEWS.values() if view.on_request is None)

    with pytest.raises(FeatureViewError, match="cannot be computed from a request"):
        features_on_request(view, DRAFTS)
