with sessions as (

    select * from {{ ref('stg_app__user_sessions') }}

),

users as (

    select * from {{ ref('stg_app__auth_user_versions') }}
    where last_login_at is not null

),

visits as (

    select
        'session/' || session_id as visit_id,
        user_id,
        day,
        true as is_session,
        duration_seconds
    from sessions

    union all

    select
        'login/' || user_id || '/' || updated_at as visit_id,
        user_id,
        {{ utc_day('last_login_at') }} as day,
        false as is_session,
        null as duration_seconds
    from users

)

select
    -- ids
    visit_id,
    user_id,

    -- what is known of it
    day,
    is_session,
    duration_seconds
from visits
