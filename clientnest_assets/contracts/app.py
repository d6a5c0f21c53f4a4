"""The tables of the ClientNest app's database, as the app promises them.

A closed set is closed here only where the app closes it; other text is open, so that a new device
or ticket category is data and not an error. Order of columns is the order of the tables.
"""

from __future__ import annotations

import dataframely as dy

from clientnest_assets.contracts.contract import (
    About,
    Contract,
    count,
    key,
    moment,
    one_of,
    personal,
    reference,
)

TIERS = ("free", "starter", "professional", "business", "enterprise")
PLATFORMS = ("twitter", "facebook", "instagram", "linkedin", "tiktok")
POST_STATUSES = ("draft", "scheduled", "published", "failed")
SENTIMENTS = ("positive", "neutral", "negative")
AI_REQUEST_TYPES = (
    "content_generation",
    "sentiment_analysis",
    "content_optimization",
    "hashtag_suggestion",
    "image_caption",
)
SUBSCRIPTION_EVENTS = ("start", "upgrade", "downgrade", "renew", "cancel")

VERSION = "When this version of the row was written; with the id, the key of a version."


class AuthUser(dy.Schema):
    """One person with a ClientNest login."""

    id = key("The user's id.")
    email = personal("Login address.")
    full_name = personal("Name as the user wrote it.", nullable=True)
    subscription_tier = one_of(TIERS, "The plan at the time of this version.")
    date_joined = moment("When the user signed up.")
    last_login = moment("Start of the user's latest session; null before the first.", nullable=True)
    is_active = dy.Bool(description="False once the login was closed.")
    timezone = dy.String(min_length=1, description="IANA time zone of the user, such as Europe/Berlin.")
    country = dy.String(nullable=True, description="ISO 3166 code of the country, two letters.")
    updated_at = moment(VERSION, primary_key=True)


class UserSessions(dy.Schema):
    """One visit of a user to the app."""

    id = key("The session's id.")
    user_id = reference("auth_user", "Whose session.")
    created_at = moment("When the session began.")
    duration = count("How long it lasted.", unit="seconds", nullable=True)
    device = dy.String(nullable=True, description="Kind of device: desktop, mobile, tablet and the like.")
    ip_address = personal("Address the session came from.", nullable=True)


class SocialMediaAccounts(dy.Schema):
    """One account on a social platform that a user has connected."""

    id = key("The account's id at ClientNest.")
    user_id = reference("auth_user", "Who connected it.")
    platform = one_of(PLATFORMS, "The platform the account is on.")
    handle = personal("The account's public name on the platform.", nullable=True)
    followers_count = count("Followers at the last sync.", unit="followers", nullable=True)
    following_count = count("Accounts followed at the last sync.", unit="accounts", nullable=True)
    posts_count = count("Posts on the platform at the last sync.", unit="posts", nullable=True)
    engagement_rate = dy.Float64(
        nullable=True, min=0, description="Engagement over reach at the last sync.", metadata={"unit": "ratio"}
    )
    connected_at = moment("When the user connected it.")
    last_sync = moment("When the platform was last asked.", nullable=True)
    updated_at = moment(VERSION, primary_key=True)


class AccountMetrics(dy.Schema):
    """What a platform said of one account, each time it was asked."""

    id = key("The observation's id.")
    account_id = reference("social_media_accounts", "The account observed.")
    collected_at = moment("When the platform was asked.")
    followers_count = count("Followers at that moment.", unit="followers", nullable=True)
    following_count = count("Accounts followed at that moment.", unit="accounts", nullable=True)
    posts_count = count("Posts on the platform at that moment.", unit="posts", nullable=True)
    engagement_rate = dy.Float64(
        nullable=True, min=0, description="Engagement over reach at that moment.", metadata={"unit": "ratio"}
    )


class SocialPosts(dy.Schema):
    """One post that a user wrote in ClientNest, from draft to published or failed."""

    id = key("The post's id.")
    user_id = reference("auth_user", "The author.")
    account_id = reference("social_media_accounts", "The account it is written for.")
    platform = one_of(PLATFORMS, "The account's platform.")
    content = dy.String(
        nullable=True,
        description="The text, as it is or will be public. Kept readable: categories and features are made of it.",
    )
    hashtags = dy.List(
        dy.String(), nullable=True, description="Hashtags without the #, in order of appearance; null if unknown."
    )
    media_type = dy.String(nullable=True, description="What is attached: text, image, video, carousel and the like.")
    status = one_of(POST_STATUSES, "Where the post is on its way.")
    scheduled_time = moment("When it is to be published; null for a draft without a date.", nullable=True)
    published_time = moment("When it was published; null until then.", nullable=True)
    ai_generated = dy.Bool(description="True if the text came from ClientNest's AI.")
    created_at = moment("When it was written.")
    updated_at = moment(VERSION, primary_key=True)


class PostMetrics(dy.Schema):
    """What a platform said of one published post, each time it was asked. Counts are cumulative.

    A number the platform does not give is null, never 0.
    """

    id = key("The observation's id.")
    post_id = reference("social_posts", "The post observed.")
    collected_at = moment("When the platform was asked.")
    likes_count = count("Likes so far.", unit="likes", nullable=True)
    comments_count = count("Comments so far.", unit="comments", nullable=True)
    shares_count = count("Shares so far.", unit="shares", nullable=True)
    clicks_count = count("Clicks so far.", unit="clicks", nullable=True)
    reach = count("Distinct people who saw it so far.", unit="people", nullable=True)
    impressions = count("Times it was shown so far.", unit="impressions", nullable=True)


class SocialComments(dy.Schema):
    """One comment under a post, or on an account."""

    id = key("The comment's id.")
    account_id = reference("social_media_accounts", "The account that was commented on.")
    post_id = reference("social_posts", "The post, if it stands under one.", nullable=True)
    content = personal("What somebody wrote.", nullable=True)
    created_at = moment("When it was written.")


class SentimentAnalysis(dy.Schema):
    """What ClientNest's AI made of one comment."""

    id = key("The analysis' id.")
    comment_id = reference("social_comments", "The comment judged.")
    sentiment = one_of(SENTIMENTS, "The judgement.")
    score = dy.Float64(
        nullable=True, min=-1, max=1, description="From -1, most negative, to 1.", metadata={"unit": "score"}
    )
    created_at = moment("When it was judged.")


class AiRequests(dy.Schema):
    """One request of a user to ClientNest's AI."""

    id = key("The request's id.")
    user_id = reference("auth_user", "Who asked.")
    request_type = one_of(AI_REQUEST_TYPES, "What was asked for.")
    platform = one_of(PLATFORMS, "The platform it was for, if any.", nullable=True)
    status = dy.String(min_length=1, description="pending, processing, completed, failed and the like.")
    created_at = moment("When it was asked.")
    started_at = moment("When work on it began.", nullable=True)
    completed_at = moment("When the answer was there.", nullable=True)
    updated_at = moment(VERSION, primary_key=True)


class AiUsageLogs(dy.Schema):
    """What one AI request consumed."""

    id = key("The log line's id.")
    request_id = reference("ai_requests", "The request.")
    user_id = reference("auth_user", "Who asked.")
    tokens_used = count("Tokens read and written.", unit="tokens")
    cost = dy.Decimal(12, 6, min=0, description="What the tokens cost ClientNest.", metadata={"unit": "USD"})
    timestamp = moment("When they were used.")


class ContentGenerations(dy.Schema):
    """One text that the AI wrote, and the post it became."""

    id = key("The generation's id.")
    ai_request_id = reference("ai_requests", "The request it answers.")
    post_id = reference("social_posts", "The post made from it, if any.", nullable=True)
    quality_score = dy.Float64(
        nullable=True, min=0, max=1, description="Quality as rated, from 0 to 1.", metadata={"unit": "score"}
    )
    created_at = moment("When it was written.")


class SupportTickets(dy.Schema):
    """One question or complaint of a user."""

    id = key("The ticket's id.")
    user_id = reference("auth_user", "Who opened it.")
    category = dy.String(min_length=1, description="What it is about.")
    priority = dy.String(min_length=1, description="low, medium, high, urgent.")
    status = dy.String(min_length=1, description="open, pending, resolved, closed.")
    created_at = moment("When it was opened.")
    resolved_at = moment("When it was solved; null until then.", nullable=True)
    updated_at = moment(VERSION, primary_key=True)


class SubscriptionEvents(dy.Schema):
    """One change of a user's plan. Every user has a start event, on the free plan too."""

    id = key("The event's id.")
    user_id = reference("auth_user", "Whose plan.")
    event = one_of(SUBSCRIPTION_EVENTS, "What happened.")
    from_tier = one_of(TIERS, "The plan before; null at the start.", nullable=True)
    to_tier = one_of(TIERS, "The plan after; null or free when it was cancelled.", nullable=True)
    mrr = dy.Decimal(
        12, 2, min=0, description="Monthly recurring revenue of the user after the event.", metadata={"unit": "USD"}
    )
    occurred_at = moment("When it happened.")


class Experiments(dy.Schema):
    """One A/B test in the app."""

    id = key("The experiment's id.")
    # Named `key` by the app; dataframely's alias keeps the class readable.
    key_ = dy.String(alias="key", min_length=1, description="Short name used in code.")
    name = dy.String(min_length=1, description="Name for people.")
    metric = dy.String(min_length=1, description="The metric it is meant to move.")
    status = dy.String(min_length=1, description="draft, running, completed.")
    started_at = moment("When the first user could enter.", nullable=True)
    ended_at = moment("When it was closed; null while it runs.", nullable=True)
    updated_at = moment(VERSION, primary_key=True)


class ExperimentAssignments(dy.Schema):
    """One user's variant in one experiment."""

    id = key("The assignment's id.")
    experiment_id = reference("experiments", "The experiment.")
    user_id = reference("auth_user", "Who was assigned.")
    variant = dy.String(min_length=1, description="control, treatment and the like.")
    assigned_at = moment("When the user entered.")


APP_TABLES = (
    Contract(
        "auth_user",
        "mutable",
        "updated_at",
        AuthUser,
        about=(
            # A login writes a new version and changes nothing about the past; another time zone does.
            About("date_joined", unless_same=("date_joined", "timezone")),
            About("last_login"),
            About("updated_at"),
        ),
    ),
    Contract("user_sessions", "append", "created_at", UserSessions),
    Contract(
        "social_media_accounts",
        "mutable",
        "updated_at",
        SocialMediaAccounts,
        about=(About("connected_at", unless_same=("connected_at", "platform")), About("updated_at")),
    ),
    Contract("account_metrics", "append", "collected_at", AccountMetrics, history_of="account_id"),
    Contract(
        "social_posts",
        "mutable",
        "updated_at",
        SocialPosts,
        about=(
            # What leaves its day, by a deletion or another date, changes all since it was written.
            About(
                "created_at",
                unless_same=("created_at", "user_id", "account_id", "status", "published_time", "deleted_at"),
            ),
            About("published_time"),
        ),
    ),
    Contract(
        "post_metrics",
        "append",
        "collected_at",
        PostMetrics,
        about=(About("collected_at"), About("post_id.published_time")),
        history_of="post_id",
    ),
    Contract("social_comments", "append", "created_at", SocialComments),
    Contract("sentiment_analysis", "append", "created_at", SentimentAnalysis, about=(About("comment_id.created_at"),)),
    Contract("ai_requests", "mutable", "updated_at", AiRequests, about=(About("created_at"),)),
    Contract(
        "ai_usage_logs",
        "append",
        "timestamp",
        AiUsageLogs,
        about=(About("timestamp"), About("request_id.created_at")),
    ),
    Contract(
        "content_generations", "append", "created_at", ContentGenerations, about=(About("ai_request_id.created_at"),)
    ),
    Contract(
        "support_tickets", "mutable", "updated_at", SupportTickets, about=(About("created_at"), About("resolved_at"))
    ),
    Contract("subscription_events", "append", "occurred_at", SubscriptionEvents),
    Contract("experiments", "mutable", "updated_at", Experiments, about=(About("started_at"), About("ended_at"))),
    Contract("experiment_assignments", "append", "assigned_at", ExperimentAssignments),
)
