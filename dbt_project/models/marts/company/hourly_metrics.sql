{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['day']},
    ]
) }}

with hours as (

    select
        dates.day,
        hours_of_day.hour,
        (dates.day + hours_of_day.hour * interval '1 hour') at time zone 'UTC' as hour_at
    from {{ ref('dim_date') }} as dates
    cross join generate_series(0, 23) as hours_of_day (hour)
    where
        dates.is_known
        and {{ in_window('dates.day') }}

),

sessions as (

    select
        {{ utc_hour('started_at') }} as hour_at,
        count(*) as sessions,
        count(distinct user_id) as active_users
    from {{ ref('fact_sessions') }}
    where {{ in_window('day') }}
    group by 1

),

measured as (

    select * from {{ ref('int_hourly_activity') }}
    where {{ in_window('day') }}

    union all

    select * from {{ ref('int_hourly_operations') }}
    where {{ in_window('day') }}

),

pivoted as (

    select
        hour_at,
        sum(amount) filter (where measure = 'sign_ups') as sign_ups,
        sum(amount) filter (where measure = 'posts_created') as posts_created,
        sum(amount) filter (where measure = 'posts_published') as posts_published,
        sum(amount) filter (where measure = 'comments') as comments,
        sum(amount) filter (where measure = 'ai_requests') as ai_requests,
        sum(amount) filter (where measure = 'ai_failed_requests') as ai_failed_requests,
        sum(amount) filter (where measure = 'ai_tokens') as ai_tokens,
        sum(amount) filter (where measure = 'ai_cost') as ai_cost,
        sum(amount) filter (where measure = 'subscription_events') as subscription_events,
        sum(amount) filter (where measure = 'support_tickets') as support_tickets,
        sum(amount) filter (where measure = 'app_events') as app_events,
        sum(amount) filter (where measure = 'app_errors') as app_errors
    from measured
    group by 1

)

select
    -- keys
    hours.hour_at,
    hours.day,
    hours.hour::integer as hour,

    -- users
    coalesce(sessions.active_users, 0)::integer as active_users,
    coalesce(sessions.sessions, 0)::integer as sessions,
    coalesce(pivoted.sign_ups, 0)::integer as sign_ups,
    coalesce(pivoted.subscription_events, 0)::integer as subscription_events,
    coalesce(pivoted.support_tickets, 0)::integer as support_tickets,

    -- content
    coalesce(pivoted.posts_created, 0)::integer as posts_created,
    coalesce(pivoted.posts_published, 0)::integer as posts_published,
    coalesce(pivoted.comments, 0)::integer as comments,

    -- AI
    coalesce(pivoted.ai_requests, 0)::integer as ai_requests,
    coalesce(pivoted.ai_failed_requests, 0)::integer as ai_failed_requests,
    coalesce(pivoted.ai_tokens, 0)::bigint as ai_tokens,
    coalesce(pivoted.ai_cost, 0)::numeric(18, 6) as ai_cost,

    -- app events
    coalesce(pivoted.app_events, 0)::bigint as app_events,
    coalesce(pivoted.app_errors, 0)::bigint as app_errors
from hours
left join sessions on hours.hour_at = sessions.hour_at
left join pivoted on hours.hour_at = pivoted.hour_at
