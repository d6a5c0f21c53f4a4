"""What an account's own posts say beyond its platform's curve, and with both what to expect of each hour for it.

By hour of the day alone: no account posts enough to tell its own weekdays from chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import polars as pl

from clientnest_assets.features.point_in_time import AS_OF
from clientnest_assets.models.effects import BLOCK, DECIMALS, Matrix, Vector, with_blocks
from clientnest_assets.models.posting_times import spec
from clientnest_assets.models.posting_times.curves import Curve, fit_curves, seen_of_accounts
from clientnest_assets.models.posting_times.pooling import likeliest, log_evidence, posterior
from clientnest_assets.models.posting_times.week import HOUR_OF_SLOT, HOURS, SLOTS, Places, around, hours_alike
from clientnest_assets.models.splits import LABEL_KNOWN_AT

_SMOOTHNESS, _SPREAD = "smoothness_hours", "spread"
SCALES: Final[Mapping[str, tuple[float, ...]]] = {
    _SMOOTHNESS: (4.0, 2.5, 1.5),
    _SPREAD: (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8),
}
"""How far the hours of one account may stray from its platform's, in log engagement."""
AT_ONCE: Final = 1000
"""Accounts whose sums are held at a time: about 20 MB."""
MAX_ACCOUNTS: Final = 4000
"""So many accounts, those with most posts, tell how far accounts stray. More would cost time and change nothing."""
_REQUEST: Final = "request"


@dataclass(frozen=True)
class PostingTimes:
    """The trained model: a curve by platform, and how far accounts stray from it."""

    curves: Mapping[str, Curve]
    scales: Mapping[str, float]
    own: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """For the model's card."""
        return {
            "curves": {name: curve.to_json() for name, curve in self.curves.items()},
            "scales": dict(self.scales),
            "own": dict(self.own),
        }

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> Self:
        """Back from the card."""
        curves = {name: Curve.from_json(curve) for name, curve in card["curves"].items()}
        return cls(curves, card["scales"], card["own"])


@dataclass(frozen=True)
class Outlook:
    """What to expect at each slot: one line a request, a column a slot.

    Attributes:
        uplift: log engagement beyond that of the platform's posts at their usual times; NaN without a curve.
        error: its standard error, for this account.
        platform_posts: the platform's posts in and next to the slot.
        own_posts: the account's, on any weekday, in and next to its hour.
        own_part: how much of the account's own part at that hour its posts have settled, 0 to 1.
    """

    uplift: Matrix
    error: Matrix
    platform_posts: Matrix
    own_posts: Matrix
    own_part: Matrix


def fit_posting_times(rows: pl.DataFrame) -> tuple[PostingTimes, dict[str, Matrix]]:
    """The model of labelled posts, and by platform the covariance of what is not known of the slots.

    That of the curves counts posts as independent; what the accounts that happened to be seen leave in them is added.

    Args:
        rows: labelled posts, ordered by `as_of` and post_id.
    """
    blocked = with_blocks(rows)
    fitted = fit_curves(blocked)
    own = _own_scales(blocked, fitted.curves)
    same_hour = HOUR_OF_SLOT[:, None] == HOUR_OF_SLOT
    curves, covariances = {}, {}
    for name, curve in fitted.curves.items():
        seen = seen_of_accounts(blocked.filter(pl.col("platform") == name))
        covariances[name] = fitted.covariances[name] + own[_SPREAD] ** 2 * seen[HOUR_OF_SLOT] * same_hour
        error: Vector = np.round(np.diag(covariances[name]).clip(0) ** 0.5, DECIMALS)
        curves[name] = replace(curve, error=error)
    return PostingTimes(curves, fitted.scales, own), covariances


def outlook(model: PostingTimes, requests: pl.DataFrame, past: pl.DataFrame) -> Outlook:
    """What to expect for each request, in their order.

    Args:
        model: the trained model.
        requests: platform, account_id (null for whoever is new to the platform) and `as_of`.
        past: labelled posts, at least all of the same accounts; none is used before its label was known.
    """
    shape = (requests.height, SLOTS)
    found = Outlook(np.full(shape, np.nan), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape))
    asked = requests.select("platform", "account_id", AS_OF).with_row_index(_REQUEST)
    for name, curve in model.curves.items():
        here = asked.filter(pl.col("platform") == name)
        if here.is_empty():
            continue
        known = (
            past.filter(pl.col("platform") == name)
            .rename({AS_OF: "published_at"})
            .join(here.select(_REQUEST, "account_id", AS_OF), on="account_id")
            .filter(
                pl.col(LABEL_KNOWN_AT) <= pl.col(AS_OF), pl.col("published_at") >= pl.col(AS_OF) - pl.lit(spec.HISTORY)
            )
            .drop(AS_OF)
            .rename({"published_at": AS_OF})
        )
        # Blocks are an account's, and one account may be asked for twice: here each request is an account of its own.
        blocked = with_blocks(known.with_columns(pl.col(_REQUEST).cast(pl.Int64).alias("account_id")))
        places = here[_REQUEST].to_numpy()
        group = np.searchsorted(places, blocked[_REQUEST].to_numpy())
        for first, sums in _own_sums(blocked, curve, group, len(places)):
            _tell(found, places[first : first + AT_ONCE], model, curve, sums)
    return found


@dataclass(frozen=True)
class _OwnSums:
    """Sums of the hours of the day within blocks, and posts by hour; one line an account."""

    products: Matrix
    with_target: Matrix
    posts: Matrix


def _tell(found: Outlook, places: Places, model: PostingTimes, curve: Curve, sums: _OwnSums) -> None:
    """Writes what is expected of some requests of one platform into their lines."""
    prior = _prior(model.own)
    mean, covariance = posterior(sums.products, sums.with_target, prior, np.full(len(places), curve.noise))
    against_usual = np.eye(HOURS) - curve.usual
    own = np.round(mean @ against_usual.T, DECIMALS)
    variance = np.einsum("hi,aij,hj->ah", against_usual, covariance, against_usual).clip(0)
    before = np.einsum("hi,ij,hj->h", against_usual, prior, against_usual)
    part = np.where(before > 0, 1 - variance / np.where(before > 0, before, 1.0), 0.0)
    found.uplift[places] = curve.uplift + own[:, HOUR_OF_SLOT]
    found.error[places] = np.round(np.sqrt(curve.error**2 + variance[:, HOUR_OF_SLOT]), DECIMALS)
    found.platform_posts[places] = curve.nearby_posts
    found.own_posts[places] = around(sums.posts, spec.NEARBY_HOURS)[:, HOUR_OF_SLOT]
    found.own_part[places] = np.round(part, DECIMALS)[:, HOUR_OF_SLOT]


def _prior(own: Mapping[str, float]) -> Matrix:
    covariance: Matrix = own[_SPREAD] ** 2 * hours_alike(own[_SMOOTHNESS])
    return covariance


def _own_scales(blocked: pl.DataFrame, curves: Mapping[str, Curve]) -> dict[str, float]:
    """The likeliest scales of what is the accounts' own, of all platforms together."""
    told: list[tuple[_OwnSums, float]] = []
    for name, curve in curves.items():
        of_platform = blocked.filter(pl.col("platform") == name)
        most = of_platform["account_id"].value_counts().sort("count", "account_id", descending=[True, False])
        chosen = most.head(max(MAX_ACCOUNTS // len(curves), 1))["account_id"].sort()
        rows = of_platform.filter(pl.col("account_id").is_in(chosen.implode()))
        group = np.searchsorted(chosen.to_numpy(), rows["account_id"].to_numpy())
        told.extend((sums, curve.noise) for _, sums in _own_sums(rows, curve, group, len(chosen)))

    def likelihood(own: Mapping[str, float]) -> float:
        prior = _prior(own)
        return sum(
            log_evidence(sums.products, sums.with_target, prior, np.full(len(sums.posts), noise))
            for sums, noise in told
        )

    return likeliest(SCALES, likelihood)


def _own_sums(rows: pl.DataFrame, curve: Curve, group: Places, groups: int) -> Iterator[tuple[int, _OwnSums]]:
    """The sums of so many groups of posts, AT_ONCE at a time, each with the number of its first.

    Args:
        rows: posts of the curve's platform with their BLOCK; a block lies within one group.
        curve: what is taken out of their label first.
        group: of each post.
        groups: how many there are; one without posts has sums of 0.
    """
    from scipy import sparse

    remaining, block = curve.left_over(rows), rows[BLOCK].to_numpy()
    hour = HOUR_OF_SLOT[rows[spec.SLOT].cast(pl.Int64).to_numpy()]
    for first in range(0, groups, AT_ONCE):
        count = min(AT_ONCE, groups - first)
        here = (group >= first) & (group < first + count)
        line, place = group[here] - first, hour[here]
        _, start, number, size = np.unique(block[here], return_index=True, return_inverse=True, return_counts=True)
        of_block = np.bincount(number * HOURS + place, minlength=len(size) * HOURS).reshape(-1, HOURS)
        mean = np.bincount(number, remaining[here], minlength=len(size)) / size
        outer = of_block[:, :, None] * of_block[:, None, :] / size[:, None, None]
        member = sparse.csr_array((np.ones(len(size)), (line[start], np.arange(len(size)))), shape=(count, len(size)))
        posts = np.bincount(line * HOURS + place, minlength=count * HOURS).reshape(count, HOURS).astype(np.float64)
        products: Matrix = np.eye(HOURS) * posts[:, :, None] - (member @ outer.reshape(-1, HOURS * HOURS)).reshape(
            -1, HOURS, HOURS
        )
        target = np.bincount(line * HOURS + place, remaining[here] - mean[number], minlength=count * HOURS)
        yield first, _OwnSums(products, target.reshape(count, HOURS).astype(np.float64), posts)
