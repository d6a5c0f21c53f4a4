"""Proposed mappings on exports of many makes: taken as they are they land every row, with the numbers where they belong."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from clientnest_assets.sources.files import FileError, parse_mapping
from clientnest_assets.sources.files.suggesting import suggest
from clientnest_assets.sources.files.suggesting.columns import normalised, resemblance
from clientnest_assets.sources.files.suggesting.times import time_form

DAYS = range(1, 29)


def lines(header: str, row: Any, count: int = 28) -> str:
    return "".join(f"{each}\n" for each in (header, *(row(n) for n in range(1, count + 1))) if each)


def weekday(n: int) -> datetime:
    return datetime(2018, 10, n, 20, 19, 24, tzinfo=UTC)


EXPORTS: dict[str, tuple[str | bytes, dict[str, int]]] = {
    # The file, and the rows of each table that it becomes.
    "buffer.csv": (
        lines(
            "Date,Text,Profile,Service,Post Link,Likes,Comments,Shares,Clicks,Reach,Impressions,Engagement Rate",
            lambda n: (
                f'2025-03-{n:02} 10:{n:02},"Hi #tip {n}, x",acme,twitter,https://x.com/a/status/17{n:08},{n},{n},{n},{n},'
                f"{n * 100},{n * 120},{n}%"
            ),
        ),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "hootsuite.csv": (
        lines(
            "Veröffentlicht am;Netzwerk;Konto;Beitrag;Gefällt mir;Kommentare;Geteilt;Reichweite",
            lambda n: f'{n:02}.03.2025 10:00;Instagram;acme;"Größe; {n}";{n};{n};{n};{n}.{n:03}',
        ).encode("cp1252"),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "metricool.csv": (
        lines(
            "Fecha,Red social,Texto,Enlace,Me gusta,Comentarios,Compartidos,Alcance,Interacción (%)",
            lambda n: (
                f'{n:02}/03/2025 {n % 24:02}:15,Instagram,hola {n},https://www.instagram.com/p/A{n}/,{n},{n},{n},"1,{n:03}",3'
            ),
        ),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "french.csv": (
        lines(
            "Date de publication,Publication,Mentions J'aime,Commentaires,Partages,Portée",
            lambda n: f"2025-03-{n:02}T10:00:00+01:00,bonjour {n},{n},{n},{n},{n}",
        ).encode("utf-16"),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "linkedin.csv": (
        lines(
            "Update title,Update link,Posted by,Created date,Impressions,Clicks,Click through rate (CTR),Likes,Comments,Reposts",
            lambda n: (
                f"hire {n},https://www.linkedin.com/feed/update/urn:li:activity:71{n:08},Ann,03/{n:02}/2024,{n},{n},0.1,{n},{n},{n}"
            ),
        ),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "tweets.csv": (
        lines(
            "id,user_name,user_followers,date,text,hashtags,retweets,favorites,is_retweet",
            lambda n: f"134053911{n},Rachel,{n + 400},2020-12-{n:02} 06:06:44,folks {n},\"['Pfizer']\",{n},{n},False",
        ),
        {"social_posts": 28, "post_metrics": 28, "account_metrics": 28},
    ),
    "tweets.js": (
        "window.YTD.tweets.part0 = "
        + json.dumps(
            [
                {
                    "tweet": {
                        "id_str": str(17000000000 + n),
                        "full_text": f"Hi #there {n}",
                        "created_at": f"{weekday(n):%a %b %d %H:%M:%S +0000 %Y}",
                        "favorite_count": str(n),
                        "retweet_count": str(n),
                    }
                }
                for n in DAYS
            ],
            indent=1,
        ),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "instagram.json": (
        json.dumps(
            [
                {
                    "shortcode": f"Cx{n}",
                    "caption": f"nice {n}",
                    "taken_at_timestamp": 1700000000 + n * 1000,
                    "owner": {"username": "acme"},
                    "like_count": n,
                    "comment_count": n,
                }
                for n in DAYS
            ]
        ),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "live.csv": (
        lines(
            "status_id,status_type,status_published,num_reactions,num_comments,num_shares,num_likes",
            lambda n: f"2466755454{n},video,3/{n}/2018 6:00,{n + 5},{n},{n},{n}",
        ),
        {"social_posts": 28, "post_metrics": 28},
    ),
    "no_header.csv": (
        lines("", lambda n: f'"0","1467{n:06}","{weekday(n):%a %b %d %H:%M:%S PDT %Y}","NO","user{n}","awww {n} you"'),
        {"app_events": 28},
    ),
    "openai.csv": (
        lines(
            "start_time,end_time,project_id,num_model_requests,user_id,model,input_tokens,output_tokens,input_cached_tokens",
            lambda n: (
                f"{1735689600 + n * 86400},{1735776000 + n * 86400},proj_1,{n},user-{n % 3},gpt-4o,{n * 100},{n},0"
            ),
        ),
        {"ai_requests": 28, "ai_usage_logs": 28},
    ),
    "gateway.csv": (
        lines(
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type",
            lambda n: f"{n * 5},ChatGPT,{n * 100},{n},{n * 101},Conversation log",
        ),
        {"ai_requests": 28, "ai_usage_logs": 28},
    ),
    "analytics.csv": (
        "# ----\n# All Web Site Data\n# ----\n\n"
        + lines("Date,Users,Sessions,Pageviews", lambda n: f'202501{n:02},{n},{n},"1,{n:03}"'),
        {"app_events": 28},
    ),
    "tickets.csv": (
        lines(
            "Ticket ID,Customer Email,Ticket Type,Ticket Subject,Ticket Status,Ticket Priority,Created At,Resolved At",
            lambda n: (
                f"{n},m{n}@example.com,Technical issue,Setup,Closed,High,2021-03-{n:02} 10:00,2023-06-01 18:{n:02}:38"
            ),
        ),
        {"support_tickets": 28},
    ),
    "stripe.csv": (
        lines(
            "id,Customer ID,Plan,Amount,Currency,Status,Created (UTC)",
            lambda n: f"sub_{n},cus_{n},{('pro', 'starter')[n % 2]},{n}.00,usd,active,2024-05-{n:02} 10:00",
        ),
        {"subscription_events": 28},
    ),
    "orders.txt": (
        lines(" customer_id  date items   dollar_value", lambda n: f" {n:05} 199701{n:02}  1   {n}.77"),
        {"subscription_events": 28, "user_sessions": 28},
    ),
    "followers.csv": (
        lines("date;followers;following", lambda n: f"2025-01-{n:02};{1000 + n};{n}"),
        {"account_metrics": 28},
    ),
    "comments.csv": (
        lines(
            "video_id,comment_id,author,comment_text,published_at",
            lambda n: f"v1,c{n},a{n},nice {n},2025-01-{n:02}T10:00:00Z",
        ),
        {"social_comments": 28},
    ),
    "sessions.csv": (
        lines(
            "session_id,user_id,start_time,duration_seconds,device",
            lambda n: f"s{n},{n},2025-01-{n:02} 10:00:00+01:00,{n},mobile",
        ),
        {"user_sessions": 28},
    ),
    "users.csv": (
        lines(
            "user_id,email,name,signup_date,plan,country,last_login",
            lambda n: f"{n},u{n}@x.com,N {n},2025-01-{n:02},Pro,DE,2025-02-01",
        ),
        {"auth_user": 28},
    ),
    "clicks.jsonl": (
        lines("", lambda n: json.dumps({"event": "page_view", "distinct_id": f"u{n}", "time": 1700000000 + n})),
        {"app_events": 28},
    ),
    "series.csv": (
        lines("timestamp,value", lambda n: f"2014-04-{n:02} 14:29:00,0.{n:03}"),
        {"app_events": 28},
    ),
}
NUMBERED = sum(DAYS)
"""What any of the counts adds up to in the exports above."""


@pytest.mark.parametrize("name", EXPORTS)
def test_a_proposal_taken_as_it_is_lands_every_row(importer: Any, name: str) -> None:
    content, expected = EXPORTS[name]
    path = importer.write(name, content)

    mapping = parse_mapping(suggest(path).text, "the proposal")

    imported = importer.load(path, mapping)
    assert {table: each.rows_written for table, each in imported.items()} == expected
    assert not any(each.rows_quarantined for each in imported.values())
    if "post_metrics" in imported:
        metrics = importer.raw("post_metrics")
        for count in ("likes_count", "comments_count", "shares_count"):
            if metrics.get_column(count).null_count() == 0:
                assert metrics.get_column(count).sum() == NUMBERED, count
        assert metrics.get_column("likes_count").null_count() == 0
        assert importer.raw("social_posts").get_column("id").n_unique() == 28
    if "ai_usage_logs" in imported:
        assert importer.raw("ai_usage_logs").get_column("tokens_used").sum() == NUMBERED * 101


def proposed(importer: Any, name: str) -> Any:
    content, _ = EXPORTS[name]
    path = importer.write(name, content)
    text = suggest(path).text
    return parse_mapping(text, "the proposal"), text


def test_the_right_columns_are_read(importer: Any) -> None:
    mapping, _ = proposed(importer, "buffer.csv")
    posts, metrics = (mapping.tables[name].columns for name in ("social_posts", "post_metrics"))

    assert posts["id"].column == "Post Link"
    assert posts["content"].column == "Text"
    assert posts["platform"].column == "Service"
    assert posts["account_id"].hash == ("Profile",)
    assert mapping.personal == ("Profile",)
    assert {name: spec.column for name, spec in metrics.items() if spec.column and not spec.zone} == {
        "id": "Post Link",
        "post_id": "Post Link",
        "likes_count": "Likes",
        "comments_count": "Comments",
        "shares_count": "Shares",
        "clicks_count": "Clicks",
        "reach": "Reach",
        "impressions": "Impressions",
    }


def test_how_the_file_is_written_is_found(importer: Any) -> None:
    forms = {
        name: proposed(importer, name)[0].file.model_dump(exclude_unset=True)
        for name in ("hootsuite.csv", "metricool.csv", "french.csv", "analytics.csv", "orders.txt", "tweets.js")
    }

    assert forms == {
        "hootsuite.csv": {"delimiter": ";", "encoding": "cp1252", "decimal": ",", "thousands": "."},
        "metricool.csv": {"thousands": ","},
        "french.csv": {"encoding": "utf-16"},
        "analytics.csv": {"skip_lines": 4, "thousands": ","},
        "orders.txt": {"delimiter": "whitespace"},
        "tweets.js": {},
    }


def test_words_for_missing_numbers_are_found(importer: Any) -> None:
    path = importer.write(
        "x.csv", "date,text,likes\n" + "".join(f"2025-01-{n:02},t{n},{n if n % 3 else 'N/A'}\n" for n in DAYS)
    )

    mapping = parse_mapping(suggest(path).text, "the proposal")

    assert mapping.file.missing == ("", "N/A")
    assert importer.load(path, mapping)["post_metrics"].rows_written == 28


def test_a_sum_of_tokens_is_made_of_its_parts_and_cached_ones_are_not_counted_twice(importer: Any) -> None:
    mapping, _ = proposed(importer, "openai.csv")

    assert set(mapping.tables["ai_usage_logs"].columns["tokens_used"].sum or {}) == {"input_tokens", "output_tokens"}


@pytest.mark.parametrize(
    ("first", "expected", "ambiguous"),
    [
        (["03/04/2025 10:00", "03/25/2025 10:00"], "%m/%d/%Y %H:%M", False),
        (["03/04/2025 10:00", "25/04/2025 10:00"], "%d/%m/%Y %H:%M", False),
        # In order of time only one way.
        (["05/01/2025", "06/01/2025", "07/01/2025", "01/02/2025", "02/02/2025"], "%d/%m/%Y", False),
        (["01/02/2025", "01/02/2025"], "%m/%d/%Y", True),
        (["2025-01-31"], "iso", False),
        (["2025-01-31T10:00:00.123Z"], "iso", False),
        (["1/2/25 1:05 PM", "1/20/25 11:05 AM"], "%m/%d/%y %I:%M %p", False),
        (["Jan 2, 2025 at 1:05 PM"], "%b %d, %Y at %I:%M %p", False),
        (["2 January 2025"], "%d %B %Y", False),
        (["31.01.2025, 10:00"], "%d.%m.%Y, %H:%M", False),
        (["20250131"], "%Y%m%d", False),
        (["1735689600"], "unix", False),
        (["1735689600.123456"], "unix", False),
        (["1735689600123"], "unix_ms", False),
        (["Wed Oct 10 20:19:24 +0000 2018"], "%a %b %d %H:%M:%S %z %Y", False),
        (["Mon, 06 Apr 2009 22:19:45 GMT"], "%a, %d %b %Y %H:%M:%S GMT", False),
    ],
)
def test_the_form_of_times_is_found(first: list[str], expected: str, ambiguous: bool) -> None:
    form = time_form(pl.Series("at", first))

    assert form is not None
    assert form.format == expected
    assert form.note.startswith("AMBIGUOUS") == ambiguous


@pytest.mark.parametrize("texts", [["hello"], ["12"], ["10:30"], ["99/99/2025"], [""], ["2025-13-45"]])
def test_what_is_no_time_is_none(texts: list[str]) -> None:
    assert time_form(pl.Series("at", texts)) is None


def test_an_ambiguous_day_and_month_is_said_in_the_mapping_and_beside_it(importer: Any) -> None:
    path = importer.write("x.csv", "Date,Text,Likes\n" + "".join(f"01/02/2025,t{n},{n}\n" for n in DAYS))

    suggestion = suggest(path)

    assert "# EDIT: Date: AMBIGUOUS: no value tells the day from the month" in suggestion.text
    assert any("the other way is %d/%m/%Y" in note for note in suggestion.notes)


def test_a_zone_in_words_is_the_zone_of_the_place(importer: Any) -> None:
    row = "{n},hi there {n},Mon Apr 06 22:19:45 PDT 2009,5"
    path = importer.write("x.csv", "id,text,created_at,likes\n" + "".join(row.format(n=n) + "\n" for n in range(1, 9)))

    importer.load(path, parse_mapping(suggest(path).text, "the proposal"))

    assert importer.raw("social_posts").item(0, "created_at") == datetime(2009, 4, 7, 5, 19, 45, tzinfo=UTC)


def test_a_date_and_a_clock_time_in_two_columns_are_put_together(importer: Any) -> None:
    path = importer.write(
        "x.csv", "Date,Time,Text,Likes\n" + "".join(f"{n:02}.03.2025,1{n % 10}:30,t{n},{n}\n" for n in DAYS)
    )

    importer.load(path, parse_mapping(suggest(path).text, "the proposal"))

    first = importer.raw("social_posts").sort("created_at").item(0, "created_at")
    assert first == datetime(2025, 3, 1, 11, 30, tzinfo=UTC)


def test_seconds_since_an_unknown_beginning_ask_for_it(importer: Any) -> None:
    _, text = proposed(importer, "gateway.csv")

    assert "EDIT `plus` to the days from 1970" in text


def test_a_file_without_any_time_asks_for_one(importer: Any) -> None:
    path = importer.write("x.csv", "Text,Likes\n" + "".join(f"t{n},{n}\n" for n in DAYS))

    suggestion = suggest(path)

    assert any("no column holds a time" in note for note in suggestion.notes)
    assert importer.load(path, parse_mapping(suggestion.text, "the proposal"))["social_posts"].rows_written == 28


def test_posts_that_were_never_published_are_left_out(importer: Any) -> None:
    path = importer.write(
        "x.csv", "Date,Text,Likes\n" + "".join(f"{f'2025-03-{n:02}' if n % 2 else ''},t{n},{n}\n" for n in DAYS)
    )
    imported = importer.load(path, parse_mapping(suggest(path).text, "the proposal"))

    assert {name: (each.rows_written, each.rows_left_out) for name, each in imported.items()} == {
        "social_posts": (14, 14),
        "post_metrics": (14, 14),
    }


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.csv", "x,y\n1,2\n3,4\n", "none of our tables is for a file with these columns: x, y"),
        ("x.csv", "", "is empty"),
        ("x.csv", "\n\n", "only blank lines"),
        ("x.csv", "date,likes\n", "no records"),
        ("x.zip", "PK\x03\x04", "a zip archive"),
        ("x.json", '{"data": [\n', "holds no JSON object"),
    ],
)
def test_what_nothing_can_be_proposed_for_is_said(importer: Any, name: str, content: str, expected: str) -> None:
    with pytest.raises(FileError) as raised:
        suggest(importer.write(name, content))
    assert expected in str(raised.value)
    assert name in str(raised.value)


def test_a_proposal_does_not_depend_on_the_files_name(importer: Any) -> None:
    content, _ = EXPORTS["buffer.csv"]
    texts = [suggest(importer.write(name, content)).text for name in ("one.csv", "two.txt")]

    assert texts[0].replace("source: one", "") == texts[1].replace("source: two", "")


def test_parquet_is_proposed_for_too(importer: Any) -> None:
    path = importer.folder / "x.parquet"
    start = datetime(2025, 1, 1, tzinfo=UTC)
    pl.DataFrame(
        {
            "Tweet Id": range(1, 29),
            "Created At": [start + timedelta(days=n) for n in DAYS],
            "FullText": [f"t{n}" for n in DAYS],
            "LikeCount": list(DAYS),
        }
    ).write_parquet(path)

    importer.load(path, parse_mapping(suggest(path).text, "the proposal"))

    metrics = importer.raw("post_metrics")
    assert metrics.get_column("likes_count").sum() == NUMBERED
    assert importer.raw("social_posts").get_column("day").min() == date(2025, 1, 2)


def test_names_are_compared_in_one_form() -> None:
    assert [normalised(name) for name in ("T_Reach", "LikeCount", "Portée", "Gefällt mir-Angaben")] == [
        "t reach",
        "like count",
        "portee",
        "gefallt mir angaben",
    ]
    assert resemblance("likes", "likes") > resemblance("post likes total", "likes") > 0
    assert resemblance("cost per click", "clicks") == 0
    assert resemblance("video", "post_id") == 0


def test_the_proposal_is_written_for_people_to_edit(importer: Any) -> None:
    _, text = proposed(importer, "buffer.csv")

    assert text.startswith("# A proposal, made from the file's columns and values")
    assert "# Columns of the file that are not read: Engagement Rate" in text
    assert "# EDIT: when the numbers were collected" in text
    assert max(map(len, text.splitlines())) < 160
