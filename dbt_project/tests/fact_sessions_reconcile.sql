-- Every session that was loaded is in fact_sessions, and in the day of its user.
with loaded as (

    select
        day,
        count(*) as sessions,
        coalesce(sum(duration_seconds), 0) as session_seconds
    from {{ ref('stg_app__user_sessions') }}
    where {{ in_tested_days('day', ref('fact_users_daily')) }}
    group by day

),

told as (

    select
        day,
        count(*) as sessions,
        coalesce(sum(duration_seconds), 0) as session_seconds
    from {{ ref('fact_sessions') }}
    where {{ in_tested_days('day', ref('fact_users_daily')) }}
    group by day

),

users as (

    select
        day,
        sum(sessions) as sessions,
        sum(session_seconds) as session_seconds
    from {{ ref('fact_users_daily') }}
    where {{ in_tested_window('day') }}
    group by day
    having sum(sessions) > 0

)

select
    day,
    loaded.sessions as sessions_loaded,
    told.sessions as sessions_told,
    users.sessions as sessions_of_users
from loaded
full outer join told using (day)
full outer join users using (day)
where
    loaded.sessions is distinct from told.sessions
    or loaded.sessions is distinct from users.sessions
    or loaded.session_seconds is distinct from told.session_seconds
    or loaded.session_seconds is distinct from users.session_seconds
