{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['post_id', 'day']},
        {'columns': ['user_id', 'day']},
        {'columns': ['account_id', 'day']},
        {'columns': ['platform', 'day']},
    ]
) }}

with deleted_posts as (

    select post_id from {{ ref('stg_app__social_posts') }}
    where deleted_at is not null

),

post_metrics as (

    select * from {{ ref('stg_app__post_metrics') }}
    where post_id not in (select deleted_posts.post_id from deleted_posts)

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
    where is_known

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
    steps.post_id,
    steps.day,
    coalesce(posts.post_key, {{ unknown_id() }}) as post_key,
    posts.user_id,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,
    coalesce(users.subscription_tier, {{ unknown_key() }}) as subscription_tier,
    posts.account_id,
    coalesce(accounts.account_key, {{ unknown_key() }}) as account_key,
    coalesce(posts.platform, {{ unknown_key() }}) as platform,
    coalesce(posts.content_category, 'Unknown') as content_category,

    -- when
    steps.collected_at as observed_at,
    floor(date_part('epoch', steps.collected_at - posts.published_at) / 86400)::integer as age_days,

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
    {{ ratio('steps.clicks', 'steps.impressions') }} as click_through_rate,

    -- whether any of it can still change
    {{ is_final('steps.day', 'loaded.last_day') }} as is_final
from steps
cross join loaded
left join posts on steps.post_id = posts.post_id
left join users
    on
        posts.user_id = users.user_id
        and {{ held_at_end_of('users', 'steps.day') }}
left join accounts
    on
        posts.account_id = accounts.account_id
        and {{ held_at_end_of('accounts', 'steps.day') }}
where {{ in_window('steps.day') }}
