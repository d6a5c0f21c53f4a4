"""Posting times: what each hour of the week adds to a post's engagement, whoever posts it."""
