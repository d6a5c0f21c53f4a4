{{ config(
    meta={'window_column': 'published_date', 'looks_back': true, 'looks_ahead_days': 29},
    unique_key='post_id',
    indexes=[
        {'columns': ['published_date']},
        {'columns': ['platform', 'published_date']},
        {'columns': ['user_id', 'published_at']},
        {'columns': ['account_id', 'published_at']},
    ]
) }}

with posts as (

    select
        *,
        {{ utc_day('published_at') }} as published_date
    from {{ ref('dim_post') }}
    where
        status = 'published'
        and {{ in_window_at('published_at') }}

),

outcomes as (

    select * from {{ ref('int_post_outcomes') }}
    where {{ in_window('published_date', days_before=90) }}

),

publication_days as (

    select distinct
        platform,
        published_date
    from posts

),

-- The quartiles of the scores of the 90 days before each day of publication.
boundaries as (

    select
        publication_days.platform,
        publication_days.published_date,
        percentile_cont(array[0.25, 0.5, 0.75]) within group (order by outcomes.mature_engagement_score) as quartiles
    from publication_days
    inner join outcomes
        on
            publication_days.platform = outcomes.platform
            and publication_days.published_date - 90 <= outcomes.published_date
            and publication_days.published_date > outcomes.published_date
    where outcomes.mature_engagement_score is not null
    group by 1, 2

),

users as (

    select * from {{ ref('dim_user') }}
    where is_known

),

accounts as (

    select * from {{ ref('dim_social_account') }}
    where is_known

),

loaded as (

    select max(day) as last_day
    from {{ ref('int_loaded_days') }}
    where table_name = 'post_metrics'

)

select
    -- keys
    posts.post_id,
    posts.published_date,
    posts.post_key,
    posts.user_id,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,
    coalesce(users.subscription_tier, {{ unknown_key() }}) as subscription_tier,
    posts.account_id,
    coalesce(accounts.account_key, {{ unknown_key() }}) as account_key,
    posts.platform,

    -- what was posted
    posts.content_category,
    posts.media_type,
    posts.ai_generated,
    posts.content_length,
    posts.hashtag_count,

    -- when
    posts.created_at,
    posts.scheduled_at,
    posts.published_at,
    posts.author_timezone,
    {{ local_day('posts.published_at', 'posts.author_timezone') }} as local_published_date,
    {{ local_hour('posts.published_at', 'posts.author_timezone') }} as local_published_hour,

    -- counts so far
    outcomes.observed_at,
    outcomes.likes,
    outcomes.comments,
    outcomes.shares,
    outcomes.clicks,
    outcomes.reach,
    outcomes.impressions,

    -- engagement so far
    {{ engagement_total('outcomes.likes', 'outcomes.comments', 'outcomes.shares') }} as engagement_total,
    {{ engagement_score('outcomes.likes', 'outcomes.comments', 'outcomes.shares') }} as engagement_score,
    {{ ratio(engagement_total('outcomes.likes', 'outcomes.comments', 'outcomes.shares'), 'outcomes.reach') }}
        as engagement_rate,
    {{ ratio('outcomes.clicks', 'outcomes.impressions') }} as click_through_rate,

    -- engagement 7 days after publication
    outcomes.mature_at,
    outcomes.mature_likes,
    outcomes.mature_comments,
    outcomes.mature_shares,
    {{ engagement_total('outcomes.mature_likes', 'outcomes.mature_comments', 'outcomes.mature_shares') }}
        as mature_engagement_total,
    outcomes.mature_engagement_score,
    {{ performance_tier('outcomes.mature_engagement_score', 'boundaries.quartiles') }} as performance_tier,

    -- whether any of it can still change
    {{ is_final('posts.published_date', 'loaded.last_day') }} as is_final
from posts
cross join loaded
left join outcomes on posts.post_id = outcomes.post_id
left join boundaries
    on
        posts.platform = boundaries.platform
        and posts.published_date = boundaries.published_date
left join users
    on
        posts.user_id = users.user_id
        and {{ held_at('users', 'posts.published_at') }}
left join accounts
    on
        posts.account_id = accounts.account_id
        and {{ held_at('accounts', 'posts.published_at') }}
