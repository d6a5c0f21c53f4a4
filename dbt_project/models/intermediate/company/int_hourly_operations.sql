-- One branch a measure. Each gives its UTC day as a column of its own, so that a condition on it reaches the tables.
select
    day,
    {{ utc_hour('created_at') }} as hour_at,
    'ai_requests' as measure,
    count(*)::numeric as amount
from {{ ref('fact_ai_requests') }}
group by 1, 2

union all

select
    day,
    {{ utc_hour('created_at') }} as hour_at,
    'ai_failed_requests' as measure,
    count(*)::numeric as amount
from {{ ref('fact_ai_requests') }}
where status = 'failed'
group by 1, 2

union all

select
    day,
    {{ utc_hour('used_at') }} as hour_at,
    'ai_tokens' as measure,
    sum(tokens)::numeric as amount
from {{ ref('stg_app__ai_usage_logs') }}
group by 1, 2

union all

select
    day,
    {{ utc_hour('used_at') }} as hour_at,
    'ai_cost' as measure,
    sum(cost)::numeric as amount
from {{ ref('stg_app__ai_usage_logs') }}
group by 1, 2

union all

select
    day,
    {{ utc_hour('occurred_at') }} as hour_at,
    'subscription_events' as measure,
    count(*)::numeric as amount
from {{ ref('fact_subscription_events') }}
group by 1, 2

union all

select
    {{ utc_day('created_at') }} as day,
    {{ utc_hour('created_at') }} as hour_at,
    'support_tickets' as measure,
    count(*)::numeric as amount
from {{ ref('stg_app__support_tickets') }}
group by 1, 2

union all

select
    day,
    hour as hour_at,
    'app_events' as measure,
    sum(events)::numeric as amount
from {{ ref('stg_events__app_events_hourly') }}
group by 1, 2

union all

select
    day,
    hour as hour_at,
    'app_errors' as measure,
    sum(errors)::numeric as amount
from {{ ref('stg_events__app_events_hourly') }}
group by 1, 2
