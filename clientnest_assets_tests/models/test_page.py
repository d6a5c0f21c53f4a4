"""A model's page: what it tells, whether its numbers can be traced, and whether everybody can read it."""

import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest

from clientnest_assets.features.sets import feature_set
from clientnest_assets.features.upstream import Upstream
from clientnest_assets.models.artefact import Artefact
from clientnest_assets.models.figures import canvas, canvases, described, png, short_names
from clientnest_assets.models.model import Finding, Gate, Metric, Model, Section, Trained
from clientnest_assets.models.page import cells, decimals_of, model_page, rated, sections_page
from clientnest_assets.models.registry import MODELS
from clientnest_assets_tests.models.cases import case_of

WEEK = date(2026, 11, 16)
SHA = "5e" * 32
METRICS = (
    Metric("mae", "Mean <absolute> error."),
    Metric("spearman", "Rank correlation.", higher_is_better=True),
    Metric("bias", "Predicted less actual.", is_best_at_zero=True),
)
VALUES = {
    "model": {"mae": 0.5, "spearman": 0.75, "bias": 0.02, "rows": 7},
    "usual_week": {"mae": 0.75, "spearman": None, "bias": -0.3},
    "as_is": {"mae": 1.25, "spearman": 0.8, "bias": -0.01},
}


def nothing(*_):
    raise NotImplementedError


MODEL_OF_POSTS = Model(
    name="likes",
    title="Likes & more",
    description="How many likes <b>a post</b> gets.",
    entity=("post_id",),
    label="log1p of likes",
    horizon=timedelta(days=7),
    objective="least squares",
    split="By time.",
    inputs=(Upstream("facts", "fact_posts", (("post_id", pl.Int64()),)),),
    feature_sets=(feature_set("engagement"),),
    metrics=METRICS,
    naive_rules={"usual_week": "As always.", "as_is": "As it is."},
    gate=Gate(beats=("mae",)),
    examples=nothing,
    train=nothing,
    requests=nothing,
    score=nothing,
    answers=pl.Schema(),
    losses=nothing,
    code_version="7",
)


def some_figure():
    figure, axes = canvas("Said & done", height=2.0)
    axes.plot([0, 1], [0, 1], label="model")
    axes.set_xlabel("said")
    axes.set_ylabel("done")
    axes.legend()
    return figure


def trained(**changes):
    card = {
        "horizon_days": 7.0,
        "until": "2026-11-23T00:00:00+00:00",
        "rows": 12345,
        "first_as_of": "2026-08-01 09:30:12.123456+00:00",
        "last_as_of": "2026-11-15 23:59:59+00:00",
        "evaluated": {"cutoff": "2026-11-01T00:00:00+00:00"},
        "parameters": {"point": {"num_leaves": 31, "metric": ["l1", "l2"]}},
        "feature_set": {
            "name": "engagement",
            "variant": "standard",
            "description": "A post's form.",
            "features": {"content": ["word_count", "language"]},
        },
        "data": {
            "partition": "2026-11-16",
            "rows": 12345,
            "columns": {"post_id": "Int64", "label": "Float64"},
            "sha256": SHA,
            "views": [{"name": "content", "version": 2, "definition": "0123456789abcdef"}],
            "tables": [
                {"layer": "training_sets", "name": "likes", "version": 17},
                {"layer": "features", "name": "content_v2", "version": 41},
            ],
        },
    }
    artefact = Artefact.of("likes", {"level": 1.5}, {}, {**card, **changes})
    return Trained(
        artefact,
        pl.DataFrame({"loss": [0.1, 0.2, 0.3]}),
        VALUES,
        (
            Finding("is_calibrated", passed=True, words="Slope 1.02 <ok>."),
            Finding("covers", passed=False, words="Held 60 %."),
        ),
        (Section("Said and done", "On the line they agree.", pl.DataFrame({"part": ["a"], "n": [1]}), some_figure()),),
    )


class Outline(HTMLParser):
    """What a reader with a screen reader, or without a network, goes by."""

    def __init__(self, page):
        super().__init__()
        self.headings, self.images, self.addresses, self.ids, self.bare_heads, self.tables = [], [], [], [], 0, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.images.append(told)
        if tag == "th":
            self.bare_heads += told.get("scope") not in ("row", "col")
        if tag == "table":
            self.tables.append(told)
        self.ids += [told["id"]] if "id" in told else []
        self.addresses += [(tag, told[name]) for name in ("src", "href") if name in told]


def text_of(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page.split("</style>")[1]).split())


@pytest.fixture(scope="module")
def page():
    return model_page(MODEL_OF_POSTS, trained(), WEEK)


def test_the_page_says_which_model_it_is_of_what_it_learned_from_and_when(page):
    text = text_of(page)
    assert f"model {trained().artefact.version} asset" in text
    assert "partition 2026-11-16 (to 2026-11-22 ), code version 7" in text
    assert "12,345 examples, 2026-08-01 09:30 UTC to 2026-11-15 23:59 UTC" in text
    assert "known before 2026-11-23 00:00 UTC" in text
    assert "3 later examples, from 2026-11-01 00:00 UTC on" in text


def test_every_number_leads_to_the_assets_and_versions_it_is_made_of(page):
    assert 'href="/dagster/assets/models/likes?view=partitions&amp;partition=2026-11-16"' in page
    assert 'href="/dagster/assets/facts/fact_posts"' in page
    assert 'href="/dagster/assets/features/content"' in page
    text = text_of(page)
    assert "training_sets/likes, version 17: the examples, partition 2026-11-16" in text
    assert "features/content , version 41: view v2, code version 2-0123456789ab" in text
    assert SHA in text
    assert trained().artefact.card["fingerprint"] in text
    assert "point.num_leaves 31" in text
    assert 'href="/features/content#word_count"' in page
    assert 'href="/features/sets#engagement-standard"' in page


def test_the_code_version_that_trained_it_is_told_and_not_the_newest():
    old = model_page(replace(MODEL_OF_POSTS, code_version="8"), trained(code_version="7"), WEEK)
    assert "code version 7" in text_of(old)


def test_metrics_stand_beside_those_of_the_naive_rules_and_the_best_is_marked(page):
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", page, re.DOTALL)
    told = {
        name: [re.sub("<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", values)]
        for name, values in rows
    }
    assert told["this model"] == ["0.500 best", "0.7500", "0.0200"]
    assert told["usual week"] == ["0.750", "-", "-0.3000"]
    assert told["as is"] == ["1.250", "0.8000 best", "-0.0100 best"]
    assert "Mean &lt;absolute&gt; error." in page
    assert "bias 0 is best" in text_of(page)
    assert "mae *" in text_of(page)


def test_findings_say_in_words_whether_they_passed(page):
    assert "✓ passed: is calibrated. Slope 1.02 &lt;ok&gt;." in text_of(page)
    assert "✗ failed: covers. Held 60 %." in text_of(page)


def test_texts_stay_texts(page):
    assert "<b>" not in page
    assert "How many likes &lt;b&gt;a post&lt;/b&gt; gets." in page


def test_the_decision_is_not_told_because_it_is_made_later(page):
    assert 'href="/models/likes"' in page
    assert "promoted" not in page


def test_the_same_model_has_the_same_page(page):
    assert model_page(MODEL_OF_POSTS, trained(), WEEK) == page


@pytest.mark.parametrize("name", MODELS)
def test_the_page_of_each_model_can_be_read_by_everybody_and_needs_nothing_from_elsewhere(name):
    case = case_of(name)
    outline = Outline(model_page(case.model, case.trained, WEEK))
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(outline.headings))
    assert outline.bare_heads == 0
    assert len(outline.images) == sum(section.figure is not None for section in case.trained.sections)
    assert all(len(image["alt"]) > 15 for image in outline.images)
    assert len(set(outline.ids)) == len(outline.ids)
    for tag, address in outline.addresses:
        assert address.startswith(("data:", "#", "/")), (tag, address)
        assert not address.startswith("//")
        assert not address.startswith("#") or address[1:] in outline.ids


@pytest.mark.parametrize("name", MODELS)
def test_the_plots_of_each_model_have_titles_and_axes_with_names(name):
    for section in case_of(name).trained.sections:
        if section.figure is None:
            continue
        words = described(section.figure)
        assert "across: " in words or "up: " in words, (section.title, words)
        assert section.figure.get_figwidth() == pytest.approx(4.8)


def test_a_page_of_sections_alone_shows_them_and_where_to_go_from_there():
    page = sections_page(MODELS["churn"], "A & B", trained().sections, asset="tuning/churn", week=WEEK)
    assert Outline(page).headings == [1, 2]
    assert "<h1>A &amp; B</h1>" in page
    assert 'href="/models/churn"' in page
    assert f'href="/dagster/assets/tuning/churn?view=partitions&amp;partition={WEEK}"' in page


def test_long_tables_are_folded_away_where_a_figure_tells_the_same():
    long = pl.DataFrame({"n": range(30)})

    def page(section):
        return sections_page(MODELS["churn"], "t", [section], asset="models/churn", week=WEEK)

    assert "<details>" in page(Section("s", "", long, some_figure()))
    assert "<details>" not in page(Section("s", "", long))


def test_a_column_has_its_numbers_to_one_place_and_nulls_as_a_dash():
    frame = pl.DataFrame(
        {
            "rare_share": [0.0123, 0.00045, None],
            "big": [12345.678, 1.0, float("nan")],
            "n": [1234567, None, 0],
            "is_within": [True, False, None],
            "day": [date(2026, 1, 2), None, None],
        }
    )
    assert cells(frame).heads == ["rare share", "big", "n", "is within", "day"]
    assert cells(frame).rows == [
        ["0.0123", "12,346", "1,234,567", "yes", "2026-01-02"],
        ["0.0004", "1", "-", "no", "-"],
        ["-", "-", "0", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("values", "decimals"), [([0.5], 3), ([12.0, 0.1], 1), ([-1234.0], 0), ([0.0], 3), ([None], 3), ([1e-9], 6)]
)
def test_as_many_decimals_as_the_greatest_number_needs(values, decimals):
    assert decimals_of(values, 3) == decimals


def test_equal_values_are_both_best():
    told = dict(rated(METRICS[:1], {"one": {"mae": 0.5}, "other": {"mae": 0.5}, "worse": {"mae": 0.6}}))
    assert [told[name][0].is_best for name in told] == [True, True, False]


def test_a_figure_is_told_in_words_and_is_the_same_bytes_each_time():
    assert described(some_figure()) == "Said & done; across: said; up: done; shown: model"
    assert png(some_figure()) == png(some_figure())


def test_hidden_plots_are_not_told():
    figure, every = canvases(3, height=1.0, columns=2)
    assert len(every) == 3
    every[0].set_title("first", loc="left")
    assert described(figure) == "first"


def test_names_of_features_lose_their_view_where_that_leaves_them_apart():
    assert short_names(["content__words", "a__level", "b__level", "age"]) == ["words", "a\nlevel", "b\nlevel", "age"]


def test_moments_of_a_model_without_examples_are_left_out():
    page = model_page(MODEL_OF_POSTS, trained(first_as_of=None, last_as_of=None, data=None, feature_set=None), WEEK)
    assert "12,345 examples; the truth of each" in text_of(page)
    assert "Training set" not in page
