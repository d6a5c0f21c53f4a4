{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    contract={'enforced': true},
    meta={'window_column': 'published_date', 'looks_back': true, 'looks_ahead_days': 29},
    unique_key='post_id',
    indexes=[
        {'columns': ['published_date', 'platform']},
    ]
) }}

with posts as (

    select
        *,
        {{ utc_day('published_at') }} as published_date,
        -- Hours, because a day of 23 or 25 hours must not move the label.
        published_at + interval '168 hours' as matures_at
    from {{ ref('dim_post') }}
    where
        status = 'published'
        and {{ in_window_at('published_at') }}

),

observations as (

    select
        post_metrics.*,
        posts.matures_at
    from {{ ref('stg_app__post_metrics') }} as post_metrics
    inner join posts
        on
            post_metrics.post_id = posts.post_id
            and post_metrics.day >= posts.published_date
    where post_metrics.day >= {{ window_start() }}

),

latest as (

    select distinct on (post_id) *
    from observations
    order by post_id asc, collected_at desc, post_metric_id desc

),

engaged as (

    select
        post_id,
        min(collected_at) as first_engaged_at
    from observations
    where {{ engagement_total('likes', 'comments', 'shares') }} > 0
    group by post_id

),

mature as (

    select distinct on (post_id) *
    from observations
    where collected_at >= matures_at
    order by post_id, collected_at, post_metric_id

)

select
    -- keys
    posts.post_id,
    posts.published_date,
    posts.platform,

    -- counts so far
    latest.collected_at as observed_at,
    latest.likes,
    latest.comments,
    latest.shares,
    latest.clicks,
    latest.reach,
    latest.impressions,
    engaged.first_engaged_at,

    -- 7 days after publication
    mature.collected_at as mature_at,
    mature.likes as mature_likes,
    mature.comments as mature_comments,
    mature.shares as mature_shares,
    {{ engagement_score('mature.likes', 'mature.comments', 'mature.shares') }} as mature_engagement_score
from posts
left join latest on posts.post_id = latest.post_id
left join engaged on posts.post_id = engaged.post_id
left join mature on posts.post_id = mature.post_id
