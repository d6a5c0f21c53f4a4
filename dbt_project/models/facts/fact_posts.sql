{{ config(
    meta={'window_column': 'published_date'},
    unique_key='post_id',
    indexes=[
        {'columns': ['published_date']},
        {'columns': ['user_id', 'published_at']},
        {'columns': ['account_id', 'published_at']},
    ]
) }}

with posts as (

    select *
    from {{ ref('dim_post') }}
    where
        status = 'published'
        and {{ in_window_at('published_at') }}

),

observations as (

    select
        post_metrics.*,
        -- Hours, because a day of 23 or 25 hours must not move the label.
        posts.published_at + interval '168 hours' as matures_at
    from {{ ref('stg_app__post_metrics') }} as post_metrics
    inner join posts on post_metrics.post_id = posts.post_id
    where post_metrics.day >= {{ window_start() }}

),

latest as (

    select distinct on (post_id) *
    from observations
    order by post_id asc, collected_at desc, post_metric_id desc

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
    {{ utc_day('posts.published_at') }} as published_date,
    posts.user_id,
    posts.account_id,
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
    (posts.published_at at time zone posts.author_timezone)::date as local_published_date,
    extract(hour from posts.published_at at time zone posts.author_timezone)::integer as local_published_hour,

    -- counts so far
    latest.collected_at as observed_at,
    latest.likes,
    latest.comments,
    latest.shares,
    latest.clicks,
    latest.reach,
    latest.impressions,

    -- engagement so far
    {{ engagement_total('latest.likes', 'latest.comments', 'latest.shares') }} as engagement_total,
    {{ engagement_score('latest.likes', 'latest.comments', 'latest.shares') }} as engagement_score,
    {{ ratio(engagement_total('latest.likes', 'latest.comments', 'latest.shares'), 'latest.reach') }}
        as engagement_rate,
    {{ ratio('latest.clicks', 'latest.impressions') }} as click_through_rate,

    -- engagement 7 days after publication
    mature.collected_at as mature_at,
    mature.likes as mature_likes,
    mature.comments as mature_comments,
    mature.shares as mature_shares,
    {{ engagement_total('mature.likes', 'mature.comments', 'mature.shares') }} as mature_engagement_total,
    {{ engagement_score('mature.likes', 'mature.comments', 'mature.shares') }} as mature_engagement_score
from posts
left join latest on posts.post_id = latest.post_id
left join mature on posts.post_id = mature.post_id
