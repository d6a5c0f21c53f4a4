"""`clientnest models`: what is told of each model, and which one is in use after somebody decided."""

import json
from dataclasses import asdict, replace
from datetime import timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from clientnest_assets.cli.model_tables import best_rule
from clientnest_assets.cli.models import models
from clientnest_assets.cli.session import console
from clientnest_assets.embedded.postgres import EmbeddedPostgres
from clientnest_assets.errors import ClientNestError
from clientnest_assets.lake import with_fresh_input
from clientnest_assets.lake.files import write_files
from clientnest_assets.models import promotion, store
from clientnest_assets.models.artefact import CARD_FILE
from clientnest_assets.models.errors import ForeignModelError
from clientnest_assets.models.model import Metric
from clientnest_assets.models.performance import performance_schema, performance_table
from clientnest_assets.models.registry import MODELS
from clientnest_assets.models.retraining import REQUESTS_FILE, Reason, Request, Review
from clientnest_assets.partitions import Window
from clientnest_assets_tests.serving.model_world import NOW, WEEKS, model_world

TODAY = NOW.date()
REQUEST = Request(
    "churn", Reason.DRIFT, "churn-1", WEEKS[0], "content.length has [drifted].", asked_on=TODAY, newest_week=WEEKS[1]
)


def keep_outcomes(lake, task):
    """Ten users' outcomes of three days, each as good as it was promised to be."""
    days = [TODAY - timedelta(days=back) for back in (0, 1, 2) for _ in range(10)]
    told = {"day": days, "cluster": [str(user) for user in range(10)] * 3, "loss": [0.4, 0.6] * 15}
    frame = pl.DataFrame(told).with_columns(promised_loss=0.5, naive_loss=0.7)
    schema = performance_schema(MODELS[task])
    missing = [pl.lit(None).alias(name) for name in schema if name not in frame.columns]
    rows = frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    table = performance_table(lake, MODELS[task])
    with_fresh_input(lambda: table.replace_window(table.open(), rows, Window.of_days(days[-1], TODAY)))


def keep_review(lake, task, review):
    content = json.dumps(asdict(review), default=str).encode()
    write_files(lake, f"models/{task}", {REQUESTS_FILE: content})


@pytest.fixture
def world(tmp_path):
    with model_world(tmp_path) as installation:
        yield installation


@pytest.fixture
def run(world, monkeypatch):
    """Runs a command and gives what it said on a wide terminal. No database is there, nor started."""
    monkeypatch.setattr(EmbeddedPostgres, "ensure_running", lambda _self: pytest.fail("a database was asked for"))
    monkeypatch.setattr(console, "_width", 250)

    def command(*arguments):
        with console.capture() as said:
            done = CliRunner().invoke(models, arguments)
        if done.exception:
            raise done.exception
        return said.get() + done.stdout

    return command


def line_of(said, name):
    return next(line.split() for line in said.splitlines() if line.split()[:1] == [name])


def test_list_tells_what_is_in_use_and_how_it_does_beside_the_best_rule(run, world):
    said = run("list")
    churn = MODELS["churn"]
    version = store.read_model(world.lake, "churn", WEEKS[1]).version
    deciding = churn.metrics[0]
    rules = [0.5 + 0.1 * place for place in range(len(churn.naive_rules))]
    best = f"{max(rules) if deciding.higher_is_better else min(rules):.4f}"
    expected = ["churn", version, str(WEEKS[1]), deciding.name, "0.4000", best, str(WEEKS[2])]
    assert line_of(said, "churn") == expected
    assert line_of(said, "hashtags")[1:3] == ["none", "-"]
    assert said.count("no model yet") == len(MODELS) - 2
    told = {each["model"]: each for each in json.loads(run("list", "--json"))}
    assert list(told) == list(MODELS)
    assert (told["churn"]["champion"], told["budget"]["champion"]) == (version, None)


def test_the_best_rule_is_best_by_the_metrics_own_measure():
    model = replace(
        MODELS["engagement"], naive_rules=dict.fromkeys(("low", "high", "middle", "silent"), "says something")
    )
    metrics = {"low": {"it": -0.3}, "high": {"it": 0.2}, "middle": {"it": 0.1}, "silent": {"it": None}}
    found = {
        best: best_rule(model, metric, metrics)
        for best, metric in {
            "lowest": Metric("it", ""),
            "highest": Metric("it", "", higher_is_better=True),
            "nearest to 0": Metric("it", "", is_best_at_zero=True),
        }.items()
    }
    assert found == {"lowest": -0.3, "highest": 0.2, "nearest to 0": 0.1}
    assert best_rule(model, Metric("it", ""), {}) is None


def test_show_tells_what_was_looked_at_and_what_was_decided_of_each_week(run):
    said = run("show", "churn")
    assert f"the model of the week from {WEEKS[2]}" in said
    assert "is_calibrated: Slope <b>2</b>." in said
    assert line_of(said, "model")[1] == "0.4100"
    assert line_of(said, str(WEEKS[1]))[1] == "promoted"
    assert "loss 0.4000, the champion's 0.4200, on the 1,000 examples after that" in " ".join(said.split())
    assert "not promoted" in " ".join(line_of(said, str(WEEKS[2])))
    assert f"in use: the model of the week from {WEEKS[1]}" in said
    assert json.loads(run("show", "churn", "--week", str(WEEKS[0]), "--json"))["week"] == str(WEEKS[0])


def test_a_damaged_week_is_told_with_its_reason_and_hides_nothing_else(run, world):
    write_files(world.lake, f"models/churn/{WEEKS[2]}", {CARD_FILE: b'{"half": '})
    # It is not the one in use, and its files do not matter.
    assert line_of(run("list"), "churn")[2] == str(WEEKS[1])
    write_files(world.lake, f"models/churn/{WEEKS[1]}", {CARD_FILE: b'{"half": '})
    said = run("list")
    assert line_of(said, "churn")[1:3] == ["not", "known"]
    assert f"churn: {world.lake.root}/models/churn/{WEEKS[1]}: card.json cannot be read, it is no JSON" in said
    assert line_of(said, "hashtags")[1:3] == ["none", "-"]
    assert said.count("not known") == 1
    told = {each["model"]: each for each in json.loads(run("list", "--json"))}
    assert "Train models/churn of the week" in told["churn"]["problem"]
    assert told["budget"]["problem"] is None
    with pytest.raises(ForeignModelError, match="Train models/churn of the week"):
        run("show", "churn")
    said = run("show", "churn", "--week", str(WEEKS[0]))
    assert line_of(said, str(WEEKS[0]))[1] == "promoted"
    assert " ".join(line_of(said, str(WEEKS[2]))[1:4]) == "cannot be read"
    assert "in use: not known, see above" in said


def test_show_tells_how_predictions_turned_out_and_what_asks_for_training(run, world):
    assert "nothing asked" not in run("show", "churn")
    keep_outcomes(world.lake, "churn")
    for requests in ((), (REQUEST,)):
        keep_review(world.lake, "churn", Review(TODAY, requests))
        said = " ".join(run("show", "churn").split())
        assert (
            f"Mean loss 0.5000 on 30 outcomes of 10 entities that came to be known in the 28 days up to {TODAY}" in said
        )
        assert (f"nothing asked for another model by the end of {TODAY}" in said) is not requests
    assert f"asks to be trained again, drift since {WEEKS[0]}, asked on {TODAY} of churn-1: content.length has" in said
    told = json.loads(run("show", "churn", "--json"))
    assert told["review"]["requests"][0]["words"] == REQUEST.words
    assert [(each["name"], each["passed"]) for each in told["outcomes"]] == [("has_not_decayed", True)]
    assert json.loads(run("show", "budget", "--json"))["outcomes"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nope"), "there is no model nope. There are: engagement, "),
        (
            ("show", "hashtags"),
            "hashtags has no model of any week: clientnest backfill --select 'key:\"models/hashtags\"'",
        ),
        (("show", "churn", "--week", "2026-11-03"), "--week 2026-11-03 is no Monday; its week begins on 2026-11-02"),
        (("show", "churn", "--week", "soon"), "--week soon: not a date such as 2026-11-16"),
        (
            ("show", "churn", "--week", "2026-10-05"),
            "churn has no model of the week from 2026-10-05. It has: 2026-11-02",
        ),
        (("promote", "hashtags", "--why", "so"), "hashtags has no model of any week: "),
        (("rollback", "budget", "--why", "so"), "no model budget is in use: there is nothing to take back"),
        (("rollback", "churn", "--why", " "), "--why is empty: say why, for whoever reads of it later"),
        (("promote", "churn", "--why", "so", "--week", "2026-10-05"), "train it first, clientnest backfill --select"),
        (("backtest", "nope"), "there is no model nope"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_done_is_told_with_what_to_do(run, arguments, words):
    with pytest.raises(ClientNestError) as refused:
        run(*arguments)
    assert words in str(refused.value)


def test_the_newest_model_is_put_in_use_by_hand_and_taken_back(run, world):
    lake = world.lake
    assert f"in use: the model of the week from {WEEKS[2]}" in run("promote", "churn", "--why", "the outage")
    decision = promotion.decision_of(lake, "churn", WEEKS[2])
    assert (decision.is_in_use, decision.is_manual, decision.reasons[0]) == (True, True, "by hand: the outage")
    said = run("rollback", "churn", "--why", "far off")
    assert f"taken back: the model of the week from {WEEKS[2]}" in said
    assert f"in use: the model of the week from {WEEKS[1]}" in said
    run("rollback", "churn", "--why", "that too")
    assert promotion.champion_week(lake, "churn", TODAY) == WEEKS[0]
    assert "in use: none" in run("rollback", "churn", "--why", "all of them")
    assert f"in use: the model of the week from {WEEKS[0]}" in run(
        "promote", "churn", "--week", str(WEEKS[0]), "--why", "better than none"
    )
