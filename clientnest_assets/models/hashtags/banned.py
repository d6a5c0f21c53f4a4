"""Hashtags that are never suggested, whatever they add: they ask for follows or likes in return.

Platforms hide or lower posts that have them, and accounts that use them look bought. An installation may ban more.
"""

from __future__ import annotations

from typing import Final

BANNED: Final = frozenset(
    {
        "comment4comment",
        "f4f",
        "follow",
        "follow4follow",
        "follow4followback",
        "followback",
        "followforfollow",
        "followforfollowback",
        "followme",
        "followtrain",
        "gainfollowers",
        "gainpost",
        "instalike",
        "l4l",
        "like4follow",
        "like4like",
        "like4likes",
        "likeback",
        "likeforfollow",
        "likeforlike",
        "likeforlikes",
        "likes4likes",
        "sub4sub",
        "tagsforlikes",
        "teamfollowback",
    }
)
