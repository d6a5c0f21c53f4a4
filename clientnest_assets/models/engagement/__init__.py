"""The engagement model: a post's mature engagement_score, from what is known when it is written."""
