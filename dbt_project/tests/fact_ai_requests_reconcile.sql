-- Every request is in fact_ai_requests, in the day of its type, and in the day of its user.
with told as (

    select
        day,
        count(*) as requests,
        count(processing_seconds) as timed_requests,
        count(*) filter (where status = 'completed') as completed_requests
    from {{ ref('fact_ai_requests') }}
    where {{ in_tested_days('day', ref('fact_users_daily')) }}
    group by day

),

by_type as (

    select
        day,
        sum(requests) as requests,
        sum(timed_requests) as timed_requests,
        sum(completed_requests) as completed_requests
    from {{ ref('fact_ai_daily') }}
    where {{ in_tested_days('day', ref('fact_users_daily')) }}
    group by day
    having sum(requests) > 0

),

users as (

    select
        day,
        sum(ai_requests) as requests
    from {{ ref('fact_users_daily') }}
    where {{ in_tested_window('day') }}
    group by day
    having sum(ai_requests) > 0

),

loaded as (

    select
        {{ utc_day('created_at') }} as day,
        count(*) as requests
    from {{ ref('stg_app__ai_requests') }}
    where {{ in_tested_days(utc_day('created_at'), ref('fact_users_daily')) }}
    group by 1

)

select
    day,
    loaded.requests as requests_loaded,
    told.requests as requests_told,
    by_type.requests as requests_by_type,
    users.requests as requests_of_users
from loaded
full outer join told using (day)
full outer join by_type using (day)
full outer join users using (day)
where
    loaded.requests is distinct from told.requests
    or loaded.requests is distinct from by_type.requests
    or loaded.requests is distinct from users.requests
    or told.timed_requests is distinct from by_type.timed_requests
    or told.completed_requests is distinct from by_type.completed_requests
