"""What followers let expect of an account: learned from accounts, and nothing made up where they are unknown."""

import numpy as np
import polars as pl
import pytest

from clientnest_assets.models.engagement.audience import MAX_PRIOR_POSTS, MIN_PRIOR_POSTS, Audience

FOLLOWERS = "followers"


def world(*, growth=0.5, between=0.4, within=0.6, accounts=400, seed=3):
    """Posts of accounts on two platforms, whose engagement beyond the platform's mean grows with followers."""
    rng = np.random.default_rng(seed)
    posts = rng.integers(1, 30, accounts)
    account = np.repeat(np.arange(accounts), posts)
    platform = account % 2
    log_followers = rng.normal(6, 1.2, accounts) + 2.0 * (np.arange(accounts) % 2)
    own = growth * (log_followers - np.array([6.0, 8.0])[np.arange(accounts) % 2]) + rng.normal(0, between, accounts)
    beyond = own[account] + rng.normal(0, within, len(account))
    rows = pl.DataFrame(
        {
            "account_id": account,
            "user_id": account,
            "platform": np.array(["linkedin", "tiktok"])[platform],
            FOLLOWERS: log_followers[account],
        }
    )
    return rows, beyond


def test_growth_and_the_weight_of_the_expectation_are_found():
    rows, beyond = world()
    found = Audience.fit(rows, beyond, FOLLOWERS)
    assert found.growth == pytest.approx(0.5, abs=0.05)
    assert found.prior_posts == pytest.approx(0.6**2 / 0.4**2, rel=0.25)
    assert found.means == pytest.approx({"linkedin": 6, "tiktok": 8}, abs=0.2)


def test_without_followers_accounts_differ_by_them_too_and_their_own_posts_count_sooner():
    rows, beyond = world()
    found = Audience.fit(rows, beyond, None)
    assert (found.growth, found.means) == (0, {})
    assert found.prior_posts == pytest.approx(0.6**2 / (0.4**2 + (0.5 * 1.2) ** 2), rel=0.25)
    assert found.adds(rows).tolist() == [0.0] * rows.height


def test_what_followers_add_is_counted_from_the_platforms_mean():
    audience = Audience(FOLLOWERS, 0.5, {"linkedin": 6.0, "tiktok": 8.0})
    rows = pl.DataFrame({"platform": ["linkedin", "tiktok", "tiktok", "other"], FOLLOWERS: [7.0, 7.0, None, 7.0]})
    assert audience.adds(rows).tolist() == [0.5, -0.5, 0.0, 0.0]
    assert Audience.from_json(audience.to_json()) == audience


def test_accounts_whose_followers_are_unknown_are_left_out_of_the_growth():
    rows, beyond = world()
    is_unknown = rows["account_id"] % 3 == 0
    some = rows.with_columns(pl.when(~is_unknown).then(FOLLOWERS).alias(FOLLOWERS))
    # What they did would spoil the growth if they counted.
    found = Audience.fit(some, beyond + np.where(is_unknown, 50.0, 0.0), FOLLOWERS)
    assert found.growth == pytest.approx(0.5, abs=0.07)
    nobody = Audience.fit(rows.with_columns(pl.lit(None, pl.Float64).alias(FOLLOWERS)), beyond, FOLLOWERS)
    assert (nobody.growth, nobody.means) == (0, {})


@pytest.mark.parametrize(
    ("account", "beyond", "expected"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], MIN_PRIOR_POSTS),
        ([1, 2, 3], [0.1, 0.2, 0.3], MIN_PRIOR_POSTS),
        ([1, 1, 2, 2], [-1.0, 1.0, -1.0, 1.0], MAX_PRIOR_POSTS),
        ([1, 1, 2, 2], [5.0, 5.1, -5.0, -5.1], MIN_PRIOR_POSTS),
    ],
    ids=["one account", "one post each", "accounts alike", "accounts far apart"],
)
def test_few_or_equal_accounts_give_a_bounded_weight(account, beyond, expected):
    rows = pl.DataFrame({"account_id": account, "user_id": account, "platform": "twitter"})
    assert Audience.fit(rows, np.array(beyond), None).prior_posts == expected


def test_a_single_account_teaches_no_growth():
    rows = pl.DataFrame(
        {"account_id": [1] * 5, "user_id": 1, "platform": "twitter", FOLLOWERS: [5.0, 6.0, 7.0, 8.0, 9.0]}
    )
    assert Audience.fit(rows, np.arange(5.0), FOLLOWERS).growth == 0


def test_what_accounts_of_one_author_share_is_found():
    rng = np.random.default_rng(5)
    posts = rng.integers(1, 20, 900)
    account = np.repeat(np.arange(900), posts)
    author = np.arange(900) // 3
    own = rng.normal(0, 0.4, 300)[author] + rng.normal(0, 0.3, 900)
    rows = pl.DataFrame({"account_id": account, "user_id": author[account], "platform": "twitter"})
    beyond = own[account] + rng.normal(0, 0.6, len(account))
    assert Audience.fit(rows, beyond, None).shared == pytest.approx(0.4**2 / (0.4**2 + 0.3**2), abs=0.12)
    strangers = rows.with_columns(user_id=pl.Series(account))
    assert Audience.fit(strangers, beyond, None).shared == 0


def test_the_level_is_what_linear_algebra_expects_of_author_and_account():
    """Against the conditional mean of a joint normal distribution, worked out for three accounts of one author."""
    shared, prior = 0.6, 2.0
    audience = Audience(prior_posts=prior, shared=shared)
    posts, means = np.array([3.0, 1.0, 8.0]), np.array([0.5, -0.2, 0.9])
    covariance = np.full((3, 3), shared) + np.diag(1 - shared + prior / posts)
    towards = np.array([1.0, shared, shared])
    expected = towards @ np.linalg.solve(covariance, means)
    weights = pl.DataFrame({"posts": posts}).select(audience.weight(pl.col("posts"))).to_series().to_numpy()
    others = weights[1:].sum(), (weights[1:] * means[1:]).sum()
    found = pl.select(audience.level(*(pl.lit(float(each)) for each in (posts[0], means[0], *others)))).item()
    assert found == pytest.approx(expected)
    new = pl.select(audience.level(pl.lit(0.0), pl.lit(0.0), *(pl.lit(float(each)) for each in others))).item()
    covariance, towards = covariance[1:, 1:], np.full(2, shared)
    assert new == pytest.approx(towards @ np.linalg.solve(covariance, means[1:]))
