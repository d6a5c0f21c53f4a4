"""The early signal: a post's mature engagement_score, from what it has got a day after publication."""
