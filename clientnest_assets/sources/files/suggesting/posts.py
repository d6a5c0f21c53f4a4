"""Posts with their numbers, and their account's audience: the commonest export."""

from __future__ import annotations

from typing import Any

from clientnest_assets.sources.files.suggesting.columns import Column
from clientnest_assets.sources.files.suggesting.draft import Cell, Draft
from clientnest_assets.sources.files.suggesting.whens import When, moment

METRICS = {
    "likes": "likes_count",
    "comments": "comments_count",
    "shares": "shares_count",
    "clicks": "clicks_count",
    "reach": "reach",
    "impressions": "impressions",
}
STATUSES = {
    "published": ("published", "sent", "posted", "live", "success", "successful", "public", "veroffentlicht", "publie"),
    "scheduled": ("scheduled", "queued", "pending", "planned"),
    "draft": ("draft", "unpublished", "entwurf"),
    "failed": ("failed", "error", "rejected"),
}
MEDIA = {
    "image": (
        "image",
        "photo",
        "picture",
        "single image",
        "foto",
        "bild",
        "graphimage",
        "images",
        "imagen",
        "immagine",
    ),
    "video": ("video", "videos", "native video", "graphvideo", "film"),
    "reel": ("reel", "reels", "ig reel"),
    "carousel": (
        "carousel",
        "carousel_album",
        "album",
        "ig carousel",
        "multi image",
        "sidecar",
        "graphsidecar",
        "karussell",
    ),
    "link": ("link", "shared link", "article", "links"),
    "text": ("text", "status", "status update", "text post", "plain text"),
    "story": ("story", "stories", "ig story"),
    "poll": ("poll",),
}
HASHTAG = r"(?:^|[^&\w])#(\w*[^\W\d_]\w*)"


def posts(draft: Draft) -> None:
    """One row a post."""
    counts = {ours: draft.count(role) for role, ours in METRICS.items()}
    followers = draft.count("followers")
    post, url, text = draft.take("post_id"), draft.take("url", is_url=True), draft.take("text", is_text=True)
    when = moment(draft)
    scheduled, collected = draft.take("scheduled_at", is_time=True), draft.take("collected_at", is_time=True)
    platform, author = draft.platform(), draft.take("author", is_url=False)
    kind, status, tags = (
        draft.take("media_type", is_text=True),
        draft.take("status", is_text=True),
        draft.take("hashtags"),
    )
    if post is not None and not post.is_unique and url is not None and url.is_unique:
        post = None
    numbers = [each for each in draft.columns.all if each.name in draft.used]
    told = [each for each in (author, when.column, url, text, kind) if each]
    # Without the file's name: the next export tells of the same posts.
    identity = draft.identity(post or url, [*told, *(each for each in numbers if each not in told)], by_file=False)
    account = draft.person(author, "account")
    draft.description = "Posts with their numbers, one row a post."
    cells = {
        "id": identity,
        "user_id": account,
        "account_id": account,
        "platform": platform,
        **({"content": Cell(text.name)} if text else {}),
        **_hashtags(tags, text),
    }
    media = _media(kind)
    if media:
        cells["media_type"] = media
    cells["status"] = (draft.choice(status, STATUSES, "published") if status else None) or Cell(
        {"constant": "published"}
    )
    if scheduled:
        cells["scheduled_time"] = draft.time(scheduled)
    cells |= {
        "published_time": when.cell,
        "created_at": when.cell,
        "updated_at": when.cell,
        "ai_generated": Cell({"constant": False}),
    }
    draft.tables["social_posts"] = cells
    given = {name: cell for name, cell in counts.items() if cell}
    if given:
        draft.tables["post_metrics"] = {
            "id": identity,
            "post_id": identity,
            "collected_at": _collected(draft, collected, when),
            **given,
        }
    if followers:
        draft.tables["account_metrics"] = {
            "id": identity,
            "account_id": account,
            "collected_at": when.cell,
            "followers_count": followers,
        }
    if when.column is not None and when.column.share_filled < 1:
        draft.notes.append(f"{when.column.name}: records without a time have no numbers yet, and no day to land on")
        for table in draft.tables:
            draft.when[table] = {"not_empty": when.column.name}


def _collected(draft: Draft, collected: Column | None, when: When) -> Cell:
    if collected is not None and collected.share_filled == 1:
        return draft.time(collected)
    spec = when.cell.spec
    assert isinstance(spec, dict)
    if "constant" in spec:
        return when.cell
    # Where the file cuts seconds, a post may be up to a minute younger than it seems.
    later: dict[str, Any] = {"days": 7, "minutes": 1}
    return Cell(
        {**spec, "plus": _added(spec.get("plus", {}), later)},
        draft.edit(
            "when the numbers were collected; taken as final, 7 days after the post. If they are younger, say so"
        ),
    )


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {unit: one.get(unit, 0) + other.get(unit, 0) for unit in one | other}


def _hashtags(tags: Column | None, text: Column | None) -> dict[str, Cell]:
    if tags is not None and tags.is_text:
        if tags.texts.str.starts_with("['").any():
            return {"hashtags": Cell({"column": tags.name, "find_all": "'([^']+)'"})}
        if tags.texts.str.starts_with("[").all() and not tags.texts.str.contains(r"[{]").any():
            return {"hashtags": Cell(tags.name)}
        if tags.texts.str.contains("#").any():
            return {"hashtags": Cell({"column": tags.name, "find_all": r"#(\w+)"})}
        if not tags.texts.str.contains(r"[\[{]").any():
            separator = next(
                (mark for mark in (",", ";", "|") if tags.texts.str.contains(mark, literal=True).any()), " "
            )
            return {"hashtags": Cell({"column": tags.name, "split": separator})}
    if text is not None and text.texts.str.contains("#").any():
        return {"hashtags": Cell({"column": text.name, "find_all": HASHTAG}, "words after # with at least one letter")}
    return {}


def _media(kind: Column | None) -> Cell | None:
    if kind is None or len(kind.distinct) > 30:
        return None
    known = {word: ours for ours, words in MEDIA.items() for word in words}
    values = {text: known.get(text.strip().lower()) for text in kind.distinct}
    if not any(values.values()):
        return None
    if all(text == ours for text, ours in values.items()):
        return Cell(kind.name)
    # Open text: what is not known stays as it is.
    return Cell({"column": kind.name, "values": {text: ours or text.strip().lower() for text, ours in values.items()}})
