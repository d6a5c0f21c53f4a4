{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['platform', 'day']},
    ]
) }}

with days as (

    select day
    from {{ ref('dim_date') }}
    where
        is_known
        and {{ in_window('day') }}

),

platforms as (

    select
        platform,
        is_known
    from {{ ref('dim_platform') }}

),

posts_by_day as (

    select
        published_date as day,
        platform,

        -- how many
        count(*) as posts,
        count(distinct account_id) as active_accounts,
        count(*) filter (where ai_generated) as ai_generated_posts,
        count(engagement_total) as observed_posts,
        bool_and(is_final) as is_final,

        -- counts so far
        sum(likes) as likes,
        sum(comments) as comments,
        sum(shares) as shares,
        sum(clicks) as clicks,
        sum(impressions) as impressions,
        sum(clicks) filter (where impressions is not null) as clicks_of_shown,
        sum(impressions) filter (where clicks is not null) as impressions_of_clicked,

        -- engagement so far. In numeric, the mean of rates does not depend on the order of rows.
        sum(engagement_total) as engagement_total,
        sum(engagement_score) as engagement_score,
        avg(engagement_rate::numeric) as avg_engagement_rate,

        -- engagement 7 days after publication
        count(mature_engagement_score) as mature_posts,
        sum(mature_engagement_score) as mature_engagement_score,
        count(*) filter (where performance_tier = 'Low') as low_posts,
        count(*) filter (where performance_tier = 'Medium') as medium_posts,
        count(*) filter (where performance_tier = 'High') as high_posts,
        count(*) filter (where performance_tier = 'Viral') as viral_posts
    from {{ ref('fact_posts') }}
    where {{ in_window('published_date') }}
    group by 1, 2

),

last_observed as (

    select max(day) as day
    from {{ ref('int_loaded_days') }}
    where table_name = 'post_metrics'

)

select
    -- keys
    days.day,
    platforms.platform,

    -- how many
    coalesce(posts_by_day.posts, 0)::integer as posts,
    coalesce(posts_by_day.active_accounts, 0)::integer as active_accounts,
    coalesce(posts_by_day.ai_generated_posts, 0)::integer as ai_generated_posts,
    coalesce(posts_by_day.observed_posts, 0)::integer as observed_posts,

    -- counts so far
    posts_by_day.likes::bigint as likes,
    posts_by_day.comments::bigint as comments,
    posts_by_day.shares::bigint as shares,
    posts_by_day.clicks::bigint as clicks,
    posts_by_day.impressions::bigint as impressions,

    -- engagement so far
    posts_by_day.engagement_total::bigint as engagement_total,
    posts_by_day.engagement_score::bigint as engagement_score,
    posts_by_day.avg_engagement_rate::double precision as avg_engagement_rate,
    {{ ratio('posts_by_day.clicks_of_shown', 'posts_by_day.impressions_of_clicked') }} as click_through_rate,

    -- engagement 7 days after publication
    coalesce(posts_by_day.mature_posts, 0)::integer as mature_posts,
    posts_by_day.mature_engagement_score::bigint as mature_engagement_score,
    {{ ratio('posts_by_day.mature_engagement_score', 'posts_by_day.mature_posts') }} as avg_mature_engagement_score,
    coalesce(posts_by_day.low_posts, 0)::integer as low_posts,
    coalesce(posts_by_day.medium_posts, 0)::integer as medium_posts,
    coalesce(posts_by_day.high_posts, 0)::integer as high_posts,
    coalesce(posts_by_day.viral_posts, 0)::integer as viral_posts,

    -- how far to trust it
    coalesce(posts_by_day.is_final, {{ is_final('days.day', 'last_observed.day') }}) as is_final
from days
cross join platforms
cross join last_observed
left join posts_by_day
    on days.day = posts_by_day.day and platforms.platform = posts_by_day.platform
where platforms.is_known or posts_by_day.posts > 0
