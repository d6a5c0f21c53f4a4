"""How engagement answers to posts, by platform: a concave power of their number, learned from each channel's own weeks.

What a week's posts bring is level · posts ^ exponent. The exponent is learned within channels: does a post do worse in
weeks in which its author posts more? Who posts, and what every channel of the platform went through in a week, is taken
out. It is held between 0 and 1, so that more posts are never worth more each. Nothing is said of a platform whose weeks
do not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.additive import Vector
from clientnest_assets.models.budget.weeks import CHANNEL

MIN_CHANNELS: Final = 10
"""Channels that posted now more, now less. Of fewer nothing is learned: their number is what the standard error rests
on."""
MAX_STANDARD_ERROR: Final = 0.25
"""Of the exponent. Beyond it the 80 % interval holds two thirds of all exponents there can be: the data do not tell."""
MIN_EXPONENT: Final = 0.05
MIN_PAST_POSTS: Final = 5
"""Of a channel with fewer mature posts it is not known what its posts bring."""
MIN_PRIOR, MAX_PRIOR = 0.5, 20.0
"""Bounds of the posts that a platform's mean counts like in a channel's level."""
RANGE_SHARE: Final = 0.9
"""So many of a platform's channel weeks have no more posts than the greatest number a plan suggests unasked."""
NORMAL_80: Final = 1.2816
"""Standard errors to each side of an 80 % interval."""
DECIMALS: Final = 6

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Response:
    """What is known of a platform.

    Attributes:
        exponent: of the posts in a week, as estimated within channels, not yet held between 0 and 1.
        exponent_error: its standard error, clustered by channel.
        ai_effect: what a post written by AI has more of log engagement, within channels.
        ai_effect_error: its standard error.
        channels: how many posted now more, now less.
        mean_log: mean log engagement of channels' posts; with it `mean_log_posts` and `mean_ai_share` of their weeks.
        noise: variance of a post's log engagement within its channel.
        prior_posts: the platform's mean counts like so many posts in a channel's level.
        lift: mean of a week's engagement over what the mean of logs says, which is less.
        range_posts: RANGE_SHARE of channel weeks have no more posts.
        cost_per_ai_post: US dollars, the median week's; None where AI wrote none.
    """

    exponent: float
    exponent_error: float
    ai_effect: float
    ai_effect_error: float
    channels: int
    mean_log: float
    mean_log_posts: float
    mean_ai_share: float
    noise: float
    prior_posts: float
    lift: float
    range_posts: int
    cost_per_ai_post: float | None

    @property
    def is_identified(self) -> bool:
        """Whether the weeks tell how engagement answers to posts."""
        return self.channels >= MIN_CHANNELS and self.exponent_error <= MAX_STANDARD_ERROR

    @property
    def is_ai_identified(self) -> bool:
        """Whether they also tell what a post written by AI brings, and costs."""
        return (
            self.is_identified
            and self.ai_effect_error <= MAX_STANDARD_ERROR
            and self.cost_per_ai_post is not None
            and self.cost_per_ai_post > 0
        )

    def exponent_at(self, errors: float) -> float:
        """The exponent so many standard errors off, held to what is concave."""
        return min(max(self.exponent + errors * self.exponent_error, MIN_EXPONENT), 1.0)


@dataclass(frozen=True)
class Responses:
    """The platforms' responses by name, those included that are not identified."""

    platforms: Mapping[str, Response]

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> Self:
        """One response per platform of the rows (`weeks.labelled`) that a regression can be made for."""
        found = {
            str(platform): _response(part.sort(AS_OF, *CHANNEL))
            for (platform,), part in rows.sort("platform").partition_by("platform", as_dict=True).items()
        }
        return cls({name: response for name, response in sorted(found.items()) if response is not None})

    def per_post(self, rows: pl.DataFrame, errors: Mapping[str, float] | None = None) -> pl.DataFrame:
        """What a first post of each row's channel would bring, and how its worth falls.

        Columns, in the rows' order: `log_level` (log engagement of a channel's post in a week with one post, not
        written by AI), `exponent`, `ai_effect`, `lift`, `level_error` (the standard error of log_level at the channel's
        usual number of posts). Null where the platform is not identified or the channel has fewer than MIN_PAST_POSTS.

        Args:
            rows: channels with `weeks.PAST`.
            errors: by platform, how many standard errors off it is looked at; 0 for those not named.
        """
        table = self._table(errors or {})

        def at_one_post(prefix: str) -> pl.Expr:
            bend = (pl.col("exponent") - 1) * pl.col(f"{prefix}mean_log_posts")
            return pl.col(f"{prefix}mean_log") - bend - pl.col("ai_effect") * pl.col(f"{prefix}ai_share")

        posts, prior = pl.col("past_posts"), pl.col("prior_posts")
        error = (pl.col("noise") / (posts + prior)).sqrt()
        level = (posts * at_one_post("past_") + prior * at_one_post("")) / (posts + prior)
        is_known = posts >= MIN_PAST_POSTS
        return (
            rows.select("platform", "past_posts", "past_mean_log", "past_mean_log_posts", "past_ai_share")
            .join(
                table.rename({"mean_ai_share": "ai_share"}),
                on="platform",
                how="left",
                maintain_order="left",
                validate="m:1",
            )
            .select(
                pl.when(is_known).then(level + pl.col("off") * error).round(DECIMALS).alias("log_level"),
                pl.when(is_known).then("exponent").alias("exponent"),
                pl.when(is_known).then("ai_effect").alias("ai_effect"),
                pl.when(is_known).then("lift").alias("lift"),
                pl.when(is_known).then(error).round(DECIMALS).alias("level_error"),
            )
        )

    def _table(self, errors: Mapping[str, float]) -> pl.DataFrame:
        """One row per identified platform: what it is looked at with."""
        read = ("ai_effect", "mean_log", "mean_log_posts", "mean_ai_share", "lift", "noise", "prior_posts")
        known = {name: response for name, response in self.platforms.items() if response.is_identified}
        off = [errors.get(name, 0.0) for name in known]
        exponents = [response.exponent_at(each) for response, each in zip(known.values(), off, strict=True)]
        columns = {name: [getattr(response, name) for response in known.values()] for name in read}
        values = {"platform": list(known), "off": off, "exponent": exponents, **columns}
        return pl.DataFrame(values, schema={name: pl.String if name == "platform" else pl.Float64 for name in values})

    def to_json(self) -> dict[str, Any]:
        """For a model's card."""
        return {name: asdict(response) for name, response in self.platforms.items()}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        return cls({name: Response(**response) for name, response in card.items()})


def engagement_of_post(per_post: pl.DataFrame, ai_share: pl.Expr) -> pl.Series:
    """Expected engagement score of a single post, its logarithm's spread included; never below 0.

    Args:
        per_post: as `Responses.per_post` gives, with the column of ai_share.
        ai_share: the part of posts that AI writes.
    """
    log_score = pl.col("log_level") + pl.col("ai_effect") * ai_share
    return per_post.select((log_score.exp() * pl.col("lift") - 1).clip(0)).to_series()


def _response(rows: pl.DataFrame) -> Response | None:
    """The response of one platform, its rows in order; None where no channel has two weeks or no level is known."""
    channel = rows.select(pl.struct(*CHANNEL).rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    weight = rows["posts"].to_numpy().astype(np.float64)
    log_posts, ai_share = np.log(weight), rows["ai_share"].to_numpy().astype(np.float64)
    week = rows[AS_OF].rank("dense").to_numpy().astype(np.int64) - 1
    weeks = np.eye(int(week.max()) + 1)[week][:, 1:]
    mean_log = rows["mean_log"].to_numpy()
    within = [_within(each, channel, weight) for each in (log_posts, ai_share, *weeks.T)]
    has_moved = np.bincount(channel, np.abs(within[0])) > 1e-9
    if has_moved.sum() < 2:
        return None
    found = _regression(np.column_stack(within), _within(mean_log, channel, weight), weight, channel)
    slope, ai_effect = found.slopes[0], found.slopes[1]
    noise, prior_posts = _levels(mean_log - slope * log_posts - ai_effect * ai_share, channel, weight, found.noise)
    by_channel = np.bincount(channel, weight)
    count = len(by_channel)

    def of_channels(values: Vector) -> float:
        return round(float((np.bincount(channel, weight * values) / by_channel).sum() / count), DECIMALS)

    ordered = np.sort(weight)
    cost = rows.select(pl.struct(AS_OF, "cost_per_ai_post").unique().struct.field("cost_per_ai_post").median()).item()
    bare = Response(
        exponent=round(1 + slope, DECIMALS),
        exponent_error=round(found.errors[0], DECIMALS),
        ai_effect=round(ai_effect, DECIMALS),
        ai_effect_error=round(found.errors[1], DECIMALS),
        channels=int(has_moved.sum()),
        mean_log=of_channels(mean_log),
        mean_log_posts=of_channels(log_posts),
        mean_ai_share=of_channels(ai_share),
        noise=round(noise, DECIMALS),
        prior_posts=round(prior_posts, DECIMALS),
        lift=1.0,
        range_posts=int(ordered[int(np.ceil(RANGE_SHARE * len(ordered))) - 1]),
        cost_per_ai_post=cost and round(float(cost), DECIMALS),
    )
    return Response(**{**asdict(bare), "lift": _lift(bare, rows)})


@dataclass(frozen=True)
class _Regression:
    slopes: list[float]
    errors: list[float]
    noise: float


def _regression(design: npt.NDArray[np.float64], target: Vector, weight: Vector, channel: Indices) -> _Regression:
    """Weighted least squares within channels, and standard errors clustered by channel.

    K.-Y. Liang and S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73 (1986).
    Only weeks tell what nothing else does; a column without any variation has slope 0 and an infinite error.
    """
    weighted = design * weight[:, None]
    normal = design.T @ weighted
    inverse = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)
    slopes = inverse @ (weighted.T @ target)
    left = target - design @ slopes
    clusters = int(channel.max()) + 1
    scores = np.column_stack([np.bincount(channel, column * left, clusters) for column in weighted.T])
    spread = inverse @ (scores.T @ scores) @ inverse * (clusters / max(clusters - 1, 1))
    has_varied = normal.diagonal() > 1e-9
    errors = np.where(has_varied, np.sqrt(np.maximum(spread.diagonal(), 0)), np.inf)
    freedom = max(len(target) - clusters - int(has_varied.sum()), 1)
    return _Regression(slopes.tolist(), np.minimum(errors, 1e6).tolist(), float(weight @ left**2) / freedom)


def _within(values: Vector, channel: Indices, weight: Vector) -> Vector:
    """Values less their channel's weighted mean."""
    means = np.bincount(channel, weight * values) / np.bincount(channel, weight)
    within: Vector = values - means[channel]
    return within


def _levels(left: Vector, channel: Indices, weight: Vector, noise: float) -> tuple[float, float]:
    """The noise of a post, and how many posts tell as much of a channel as that it is one of the platform's."""
    posts = np.bincount(channel, weight)
    levels = np.bincount(channel, weight * left) / posts
    between = float(np.var(levels)) - noise * float(np.mean(1 / posts))
    prior = noise / between if between > 0 else MAX_PRIOR
    return noise, min(max(prior, MIN_PRIOR), MAX_PRIOR)


def _lift(bare: Response, rows: pl.DataFrame) -> float:
    """Mean engagement over what mean logs say: the smearing of N. Duan, "Smearing estimate", JASA 78 (1983), by post."""
    per_post = Responses({str(rows["platform"][0]): bare}).per_post(rows)
    told = rows.hstack(per_post.select("log_level", "exponent", "ai_effect")).filter(pl.col("log_level").is_not_null())
    if told.is_empty():
        return 1.0
    log_post = (
        pl.col("log_level")
        + pl.col("ai_effect") * pl.col("ai_share")
        + (pl.col("exponent") - 1) * pl.col("posts").log()
    )
    ratio = ((pl.col("log_total").exp() - 1) / pl.col("posts") + 1) / log_post.exp()
    shares = told.select(ratio.alias("ratio"), "posts")
    return round(float(np.average(shares["ratio"].to_numpy(), weights=shares["posts"].to_numpy())), DECIMALS)
