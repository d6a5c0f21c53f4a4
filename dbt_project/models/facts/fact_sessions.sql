{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    unique_key='session_id',
    indexes=[
        {'columns': ['day']},
        {'columns': ['user_id', 'day']},
    ]
) }}

with sessions as (

    select * from {{ ref('stg_app__user_sessions') }}
    where {{ in_window('day') }}

),

users as (

    select * from {{ ref('dim_user') }}
    where is_known

)

select
    -- keys
    sessions.session_id,
    sessions.day,
    sessions.user_id,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,
    coalesce(users.subscription_tier, {{ unknown_key() }}) as subscription_tier,

    -- when
    sessions.created_at as started_at,
    {{ local_day('sessions.created_at', "coalesce(users.timezone, 'UTC')") }} as local_day,
    {{ local_hour('sessions.created_at', "coalesce(users.timezone, 'UTC')") }} as local_hour,

    -- what
    sessions.duration_seconds,
    sessions.device
from sessions
left join users
    on
        sessions.user_id = users.user_id
        and {{ held_at('users', 'sessions.created_at') }}
