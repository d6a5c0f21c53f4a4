"""Which columns a feature set makes the model read: by entity and type, and all of them."""

import polars as pl
import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import FeatureSet, all_features_of, variants
from clientnest_assets.features.view import Feature, FeatureView
from clientnest_assets.models.engagement import spec
from clientnest_assets.models.engagement.columns import columns_of
from clientnest_assets.models.errors import ModelError

BASE = {
    "content": ("media_type", "content_length", "has_link", "hashtags"),
    "user_engagement_history": ("mean_log_20",),
}


def view(name, keys, **dtypes):
    features = tuple(Feature(feature, dtype, "") for feature, dtype in dtypes.items())
    return FeatureView(name, 1, keys, features, compute=len, upstream=(), owner="", description="")


def test_what_tells_posts_apart_is_form_and_what_tells_authors_apart_is_for_the_trees(monkeypatch):
    monkeypatch.setitem(VIEWS, "slot", view("slot", ("platform", "weekday", "hour"), uplift=pl.Float64()))
    monkeypatch.setitem(VIEWS, "who", view("who", ("user_id",), tier=pl.String(), is_new=pl.Boolean(), age=pl.Int64()))
    found = columns_of(
        FeatureSet("engagement", "x", "", {**BASE, "who": ("age", "tier", "is_new"), "slot": ("uplift",)})
    )

    form_numbers = ("content__content_length", "content__has_link", "slot__uplift")
    assert found.form.numeric == (*form_numbers, *spec.REQUEST_NUMBERS)
    assert found.form.levels == ("hour", "weekday")
    assert found.form.categorical == ("content__media_type",)
    assert found.form.sets == ("content__hashtags",)
    assert found.trees.categorical == ("platform", "content__media_type", "who__tier")
    assert found.trees.numeric == (
        *spec.EXPECTATIONS,
        *spec.LEVELS,
        *spec.YOUNG,
        *form_numbers,
        "user_engagement_history__mean_log_20",
        "who__is_new",
        "who__age",
        "hour",
        "weekday",
        *spec.REQUEST_NUMBERS,
    )


@pytest.mark.parametrize("each", variants("engagement"), ids=lambda each: each.variant)
def test_the_model_reads_every_feature_of_each_declared_set(each):
    columns = columns_of(each)
    assert set(each.columns) <= {*columns.form.columns, *columns.trees.names}
    assert len(set(columns.trees.names)) == len(columns.trees.names)


def test_a_list_that_is_not_of_a_posts_form_is_refused(monkeypatch):
    monkeypatch.setitem(VIEWS, "who", view("who", ("user_id",), words=pl.List(pl.String())))
    with pytest.raises(ModelError, match="who__words"):
        columns_of(FeatureSet("engagement", "x", "", {**BASE, "who": ("words",)}))


def test_a_type_that_the_model_cannot_read_is_refused(monkeypatch):
    monkeypatch.setitem(VIEWS, "who", view("who", ("user_id",), since=pl.Date()))
    with pytest.raises(ModelError, match=r"who\.since is Date"):
        columns_of(FeatureSet("engagement", "x", "", {**BASE, "who": ("since",)}))


def test_a_set_without_what_the_model_starts_from_is_refused():
    with pytest.raises(ModelError, match="engagement/x lacks user_engagement_history"):
        columns_of(FeatureSet("engagement", "x", "", all_features_of("content")))
