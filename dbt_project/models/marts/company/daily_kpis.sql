{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29}
) }}

with days as (

    select day
    from {{ ref('dim_date') }}
    where
        is_known
        and {{ in_window('day') }}

),

-- Each fact is aggregated to days before any join: joined first, a row of one would count once for
-- every row of the others.
users as (

    select
        day,
        count(*) filter (where is_active_today) as active_users,
        count(*) filter (where mrr > 0) as paying_users,
        sum(mrr) as mrr
    from {{ ref('fact_users_daily') }}
    where {{ in_window('day') }}
    group by day

),

posts as (

    select
        published_date as day,
        count(*) as total_posts,
        count(*) filter (where ai_generated) as ai_generated_posts,
        avg(engagement_total)::double precision as avg_engagement,
        bool_and(is_final) as is_final
    from {{ ref('fact_posts') }}
    where {{ in_window('published_date') }}
    group by published_date

),

ai as (

    select
        day,
        sum(cost) as total_ai_cost,
        -- In numeric, whose sum does not depend on the order of rows.
        {{ ratio('sum(processing_seconds::numeric)', 'sum(timed_requests)') }} as avg_ai_processing_time
    from {{ ref('fact_ai_daily') }}
    where {{ in_window('day') }}
    group by day

),

-- A day's input is there once its partition was loaded, with rows or without.
loads as (

    select
        day,
        bool_or(table_name = 'user_sessions') as has_sessions,
        bool_or(table_name = 'social_posts') as has_posts,
        bool_or(table_name = 'post_metrics') as has_post_metrics,
        bool_or(table_name = 'ai_requests') and bool_or(table_name = 'ai_usage_logs') as has_ai,
        bool_or(table_name = 'subscription_events') as has_subscriptions
    from {{ ref('int_loaded_days') }}
    group by day

),

last_observed as (

    select max(day) as day from loads
    where has_post_metrics

)

select
    days.day,

    -- users
    coalesce(users.active_users, 0)::integer as active_users,
    coalesce(users.paying_users, 0)::integer as paying_users,
    coalesce(users.mrr, 0)::numeric(18, 2) as mrr,

    -- posts
    coalesce(posts.total_posts, 0)::integer as total_posts,
    posts.avg_engagement,
    coalesce(posts.ai_generated_posts, 0)::integer as ai_generated_posts,

    -- AI
    ai.avg_ai_processing_time,
    coalesce(ai.total_ai_cost, 0)::numeric(18, 6) as total_ai_cost,

    -- how far to trust it
    loads.has_sessions is not true as is_sessions_missing,
    loads.has_posts is not true as is_posts_missing,
    loads.has_post_metrics is not true as is_post_metrics_missing,
    loads.has_ai is not true as is_ai_missing,
    loads.has_subscriptions is not true as is_subscriptions_missing,
    coalesce(
        loads.has_sessions and loads.has_posts and loads.has_post_metrics and loads.has_ai and loads.has_subscriptions,
        false
    ) as is_complete,
    coalesce(posts.is_final, {{ is_final('days.day', 'last_observed.day') }}) as is_final
from days
cross join last_observed
left join loads on days.day = loads.day
left join users on days.day = users.day
left join posts on days.day = posts.day
left join ai on days.day = ai.day
