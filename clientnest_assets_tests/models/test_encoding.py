"""Frozen vocabularies: what training did not see has a code of its own, and columns go by name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.encoding import Encoder, ModelColumns, frequent_values
from clientnest_assets.models.errors import ForeignModelError

COLUMNS = ModelColumns(numeric=("length", "is_ai"), categorical=("media",))
TRAINING = pl.DataFrame(
    {"length": [1, 2, 3, 4], "is_ai": [True, False, None, True], "media": ["video", "image", "video", "image"]}
)


def test_codes_are_frozen_and_unseen_rare_and_missing_are_told_apart():
    encoder = Encoder.fit(TRAINING.vstack(TRAINING[:1].with_columns(media=pl.lit("poll"))), COLUMNS, min_count=2)
    later = pl.DataFrame({"media": ["video", "poll", "hologram", None], "is_ai": [True] * 4, "length": [9, 9, 9, None]})
    encoded = encoder.encode(later)
    assert encoded[:, 2].tolist()[:3] == [2.0, 0.0, 0.0]
    assert np.isnan(encoded[3, [0, 2]]).all()
    assert encoded[0, :2].tolist() == [9.0, 1.0]
    assert encoder.categorical_positions == [2]


def test_encoder_survives_json():
    encoder = Encoder.fit(TRAINING, COLUMNS, min_count=1)
    assert Encoder.from_json(encoder.to_json()) == encoder


def test_empty_vocabulary_makes_everything_unknown():
    encoder = Encoder.fit(TRAINING, COLUMNS, min_count=99)
    assert encoder.encode(TRAINING)[:, 2].tolist() == [0.0] * 4


def test_a_missing_column_is_named():
    with pytest.raises(ForeignModelError, match="media"):
        Encoder.fit(TRAINING, COLUMNS, min_count=1).encode(TRAINING.drop("media"))


def test_frequent_values_are_limited_by_frequency_and_ties_by_name():
    values = pl.Series(["b", "a", "c", "c", None, "d"])
    assert frequent_values(values, 1, 3) == ("a", "b", "c")
    assert frequent_values(values, 2) == ("c",)
