"""Pages of each platform: every post once, those of the restatement window again each time, older ones never."""

import pytest

from clientnest_assets.partitions import RESTATEMENT_DAYS
from clientnest_assets.sources.platforms.registry import PLATFORMS

PAGES = {"twitter": 2, "facebook": 3, "instagram": 3, "linkedin": 3, "tiktok": 7}
"""Pages of 130 posts, with the sizes that are asked for."""
LISTS = {
    "twitter": "/tweets",
    "facebook": "/posts",
    "instagram": "/media",
    "linkedin": "/rest/posts",
    "tiktok": "/video/list",
}


def external(platform, number):
    return f"urn:li:{'share' if number % 2 else 'ugcPost'}:{number}" if platform == "linkedin" else str(number)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_all_pages_land_each_post_once(kit, make_post, platform):
    posts = [make_post(external(platform, number), hours_old=number, likes=number) for number in range(1, 131)]
    kit.show(platform, 12, *posts)

    outcome = kit.outcome(platform)

    landed = kit.raw("post_metrics").sort("post_id")
    assert landed.select("post_id", "likes_count").rows() == [(number, number) for number in range(1, 131)]
    assert (outcome.rows, outcome.rows_good) == (131, 131)
    assert len(kit.asked(LISTS[platform])) == PAGES[platform]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_posts_are_asked_again_as_long_as_platforms_restate_them_and_not_longer(kit, make_post, platform):
    young, old = RESTATEMENT_DAYS * 24 - 1, RESTATEMENT_DAYS * 24 + 1
    kit.show(
        platform,
        12,
        make_post(external(platform, 1), hours_old=young, likes=1),
        make_post(external(platform, 2), hours_old=old),
    )
    kit.collect(platform)
    kit.show(platform, 12, make_post(external(platform, 1), hours_old=young, likes=5), link=False)
    kit.time.sleep(60)
    kit.collect(platform)

    assert kit.raw("post_metrics").select("post_id", "likes_count").rows() == [(1, 1), (1, 5)]


def test_paging_ends_at_the_first_page_of_old_posts(kit, make_post):
    kit.show("linkedin", 12, *[make_post(f"urn:li:share:{n}", hours_old=24 * n) for n in range(1, 120)])

    assert kit.outcome("linkedin").rows == 1 + RESTATEMENT_DAYS
    assert len(kit.asked("/rest/posts")) == 2


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_account_without_posts_gives_its_own_numbers(kit, platform):
    kit.show(platform, 12, followers=5)

    outcome = kit.outcome(platform)

    assert (outcome.status, outcome.rows) == ("done", 1)
    assert kit.raw("account_metrics").get_column("followers_count").to_list() == [5]
    assert kit.raw("post_metrics").is_empty()


def test_a_post_that_slides_to_the_next_page_while_we_read_counts_once(kit, make_post):
    account = kit.show("linkedin", 12, *[make_post(f"urn:li:share:{n}", hours_old=n) for n in range(1, 61)])
    shown = kit.stand_in.desk.shown.accounts["linkedin", account]

    def publish_meanwhile(_platform, item):
        if "totalShareStatistics" in item and len(shown.posts) == 60:
            shown.posts.append(make_post("urn:li:share:61", hours_old=0))
        return item

    kit.stand_in.faults.alter = publish_meanwhile
    kit.link("linkedin", 12, "urn:li:share:61")
    outcome = kit.outcome("linkedin")

    assert (outcome.rows, outcome.posts_repeated) == (61, 1)
    assert kit.raw("post_metrics").get_column("post_id").n_unique() == 60


def test_statistics_are_asked_for_in_batches_by_kind(kit, make_post):
    kit.show("linkedin", 12, *[make_post(external("linkedin", n), hours_old=n, likes=n) for n in range(1, 46)])

    kit.collect("linkedin")

    asked = kit.asked("ShareStatistics")
    assert sorted(address.count("urn%3Ali%3Ashare") + address.count("urn%3Ali%3AugcPost") for address in asked) == [
        *(2, 3, 10, 10, 10, 10)
    ]
    assert sum("shares=List(" in address for address in asked) == 3
    assert kit.raw("post_metrics").get_column("likes_count").sum() == sum(range(1, 46))
