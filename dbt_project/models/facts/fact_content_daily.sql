{{ config(
    meta={'window_column': 'day'},
    indexes=[
        {'columns': ['post_id', 'day']},
        {'columns': ['user_id', 'day']},
    ]
) }}

with post_metrics as (

    select * from {{ ref('stg_app__post_metrics') }}

),

observed as (

    select distinct on (post_id, day) *
    from post_metrics
    where {{ in_window('day') }}
    order by post_id asc, day asc, collected_at desc, post_metric_id desc

),

-- What each of these posts stood at before the window: the start of its first increment.
before as (

    select distinct on (post_id) *
    from post_metrics
    where
        day < {{ window_start() }}
        and post_id in (select observed.post_id from observed)
    order by post_id asc, day desc, collected_at desc, post_metric_id desc

),

steps as (

    select
        *,
        likes - lag(likes, 1, 0::bigint) over by_post as new_likes,
        comments - lag(comments, 1, 0::bigint) over by_post as new_comments,
        shares - lag(shares, 1, 0::bigint) over by_post as new_shares,
        clicks - lag(clicks, 1, 0::bigint) over by_post as new_clicks,
        impressions - lag(impressions, 1, 0::bigint) over by_post as new_impressions
    from (
        select * from before
        union all
        select * from observed
    ) as observations
    window by_post as (partition by post_id order by day)

),

posts as (

    select * from {{ ref('dim_post') }}

)

select
    -- keys
    steps.post_id,
    steps.day,
    posts.user_id,
    posts.account_id,
    posts.platform,
    posts.content_category,

    -- when
    steps.collected_at as observed_at,
    floor(extract(epoch from steps.collected_at - posts.published_at) / 86400)::integer as age_days,

    -- counts so far
    steps.likes,
    steps.comments,
    steps.shares,
    steps.clicks,
    steps.reach,
    steps.impressions,

    -- since the observation before
    steps.new_likes,
    steps.new_comments,
    steps.new_shares,
    steps.new_clicks,
    steps.new_impressions,

    -- engagement
    {{ engagement_total('steps.likes', 'steps.comments', 'steps.shares') }} as engagement_total,
    {{ engagement_score('steps.likes', 'steps.comments', 'steps.shares') }} as engagement_score,
    {{ ratio(engagement_total('steps.likes', 'steps.comments', 'steps.shares'), 'steps.reach') }} as engagement_rate,
    {{ ratio('steps.clicks', 'steps.impressions') }} as click_through_rate
from steps
left join posts on steps.post_id = posts.post_id
where {{ in_window('steps.day') }}
