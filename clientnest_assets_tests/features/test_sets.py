"""Feature sets: they name what there is, nothing of the store is computed for nobody, and each has a task of its own."""

import pytest

from clientnest_assets.features.registry import VIEWS
from clientnest_assets.features.sets import SETS, STANDARD, FeatureSet, all_features_of, feature_set, variants
from clientnest_assets.features.view import FeatureViewError


def test_every_feature_is_read_by_a_trained_model_or_left_out_with_a_reason():
    every = {f"{view.name}.{feature}" for view in VIEWS.values() for feature in view.feature_names}
    used = {f"{view}.{name}" for each in SETS.values() for view, names in each.features.items() for name in names}
    left_out = {name: reason for each in SETS.values() for name, reason in each.left_out.items()}
    assert every - used == set(left_out)
    assert all(len(reason) > 10 for reason in left_out.values())


def test_variants_are_told_apart_by_the_task_they_are_kept_under():
    engagement = variants("engagement")
    assert engagement[0] is feature_set("engagement")
    assert engagement[0].task == "engagement"
    assert feature_set("engagement", "lean").task == "engagement_lean"
    assert len({each.task for each in SETS.values()}) == len(SETS)
    assert {each.variant for each in engagement} >= {STANDARD, "lean", "wide"}


def test_a_set_gives_its_views_and_joined_columns_in_order():
    each = FeatureSet(
        "task", "few", "", {"user_engagement_history": ("mean_log_20", "mean_log"), "content": ("words",)}
    )
    assert [view.name for view in each.views] == ["user_engagement_history", "content"]
    assert each.columns == [
        "user_engagement_history__mean_log_20",
        "user_engagement_history__mean_log",
        "content__words",
    ]
    without = all_features_of("content", without=["content.words"])
    assert without["content"] == tuple(name for name in VIEWS["content"].feature_names if name != "words")


@pytest.mark.parametrize(
    "named",
    [
        {"features": {"content": ("no_such",)}},
        {"features": {"no_such": ("length",)}},
        {"features": {}, "left_out": {"content.no_such": "a reason"}},
    ],
    ids=["feature", "view", "left out"],
)
def test_a_set_that_names_what_no_view_has_is_refused(named):
    with pytest.raises(FeatureViewError, match=r"task/odd names what no view has: .*no_such"):
        FeatureSet("task", "odd", "", **named)


def test_an_unknown_set_is_told_with_those_there_are():
    with pytest.raises(
        FeatureViewError, match=r"engagement/widest; there are: .*engagement/lean, .*engagement/standard"
    ):
        feature_set("engagement", "widest")
