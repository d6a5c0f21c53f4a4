"""Mappings: what they may say, and errors that name file, key and remedy."""

from pathlib import Path

import pytest

from clientnest_assets.sources.files import MappingError, load_mapping, packaged_mappings, parse_mapping

METRICS = """
source: numbers
tables:
  post_metrics:
    columns:
      id: id
      post_id: id
      collected_at: {column: at, format: '%Y-%m-%d', zone: UTC}
      likes_count: likes
"""


def error(text: str) -> str:
    with pytest.raises(MappingError) as raised:
        parse_mapping(text, "mine.yaml")
    return str(raised.value)


@pytest.mark.parametrize("name", packaged_mappings())
def test_packaged_mappings_load(name: str) -> None:
    assert load_mapping(name).source == name


def test_columns_of_the_file_are_known_through_values_and_templates() -> None:
    mapping = load_mapping("facebook_brand_posts")

    assert {"Month", "Weekday", "Hour", "like"} <= set(mapping.file_columns)
    assert not {"week", "weekday", "$file"} & set(mapping.file_columns)


def test_columns_that_feed_personal_columns_are_personal() -> None:
    mapping = parse_mapping(
        """
        source: comments
        personal: [who]
        tables:
          social_comments:
            columns: {id: id, account_id: id, content: {template: '{a} {b}'}, created_at: {column: at, zone: UTC}}
        """,
        "mine.yaml",
    )
    assert mapping.personal_columns == {"who", "a", "b"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("source: numbers", "source: numbers\ncolour: red"), "colour: unknown key"),
        (
            ("likes_count: likes", "likes_count: {column: likes, sclae: 2}"),
            "tables.post_metrics.columns.likes_count.sclae",
        ),
        (("post_metrics:", "post_metric:"), "tables.post_metric: there is no such table"),
        (("likes_count:", "likes:"), "post_metrics has no likes; its columns are id, post_id"),
        (("      post_id: id\n", ""), "post_id must be there"),
        ((", zone: UTC", ""), "so say which one the times are in"),
        (("zone: UTC", "zone: Mars/Olympus"), "is no time zone"),
        (("likes_count: likes", "likes_count: {column: likes, constant: 3}"), "found column and constant"),
        (("likes_count: likes", "likes_count: {default: 3}"), "found none"),
        (("likes_count: likes", "likes_count: {column: likes, zone: UTC}"), "zone are for times"),
        (("likes_count: likes", "likes_count: {column: likes, extract: '(?<=a)b'}"), "is no regular expression"),
        (("likes_count: likes", "likes_count: {column: likes, split: ','}"), "find_all and split make a list"),
        (("likes_count: likes", "likes_count: a\n      likes_count: b"), "stands twice"),
        (("source: numbers", "source: Numbers!"), "source: "),
        (("source: numbers\n", ""), "source: is missing"),
        (("source: numbers", "source: numbers\nfile: {encoding: utf-9}"), "is no encoding"),
        (("source: numbers", "source: numbers\nfile: {decimal: ',', thousands: ','}"), "the same mark"),
        (("likes_count: likes", "likes_count: {template: plain}"), "use constant"),
        (("likes_count: likes", "likes_count: {row_number: true}"), "unknown key"),
    ],
)
def test_an_error_names_the_file_the_key_and_the_remedy(change: tuple[str, str], expected: str) -> None:
    message = error(METRICS.replace(*change))

    assert message.startswith("mine.yaml ")
    assert expected in message


def test_every_problem_is_told_at_once() -> None:
    message = error(METRICS.replace("post_id: id", "postid: id").replace("likes_count:", "likes:"))
    assert "no postid, likes;" in message
    assert "post_id must be there" in message

    message = error(METRICS.replace("source: numbers", "source: '?'\nfile: {encoding: utf-9}"))
    assert "source: " in message
    assert "file.encoding: " in message


def test_what_is_no_mapping_at_all_is_refused() -> None:
    assert "is not YAML" in error("a: [")
    assert "is no mapping" in error("just words")


def test_an_unknown_name_lists_the_packaged_mappings() -> None:
    with pytest.raises(MappingError, match="presidential_tweets"):
        load_mapping("no_such_mapping")


def test_a_mapping_is_read_from_its_path(tmp_path: Path) -> None:
    file = tmp_path / "numbers.yaml"
    file.write_text(METRICS)

    assert load_mapping(str(file)).source == "numbers"


def test_a_table_that_the_mapping_does_not_fill_is_refused() -> None:
    with pytest.raises(MappingError, match="it fills social_posts, post_metrics"):
        load_mapping("presidential_tweets").narrowed("auth_user")
    assert list(load_mapping("presidential_tweets").narrowed("post_metrics").tables) == ["post_metrics"]
