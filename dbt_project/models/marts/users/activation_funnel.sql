with users as (

    select
        *,
        {{ week_start(utc_day('signed_up_at')) }} as sign_up_week
    from {{ ref('int_user_activation') }}

),

weeks as (

    select distinct sign_up_week
    from users

),

loads as (

    select
        week_start,
        is_complete
    from {{ ref('int_loaded_weeks') }}
    where table_name = 'auth_user'

),

steps as (

    select
        step_number,
        step
    from (
        values
        (1, 'signed_up'),
        (2, 'connected_account'),
        (3, 'created_post'),
        (4, 'published'),
        (5, 'got_engagement'),
        (6, 'paid')
    ) as steps (step_number, step)

),

moments as (

    select
        users.user_id,
        users.sign_up_week,
        moments.step_number,
        moments.happened_at
    from users
    cross join lateral (
        values
        (1, users.signed_up_at),
        (2, users.connected_at),
        (3, users.post_created_at),
        (4, users.published_at),
        (5, users.engaged_at),
        (6, users.paid_at)
    ) as moments (step_number, happened_at)

),

-- A step is reached once it and all before it have happened, whatever came first.
progress as (

    select
        *,
        count(happened_at) over so_far = step_number as is_reached,
        max(happened_at) over so_far as reached_at
    from moments
    window so_far as (partition by user_id order by step_number)

),

reached as (

    select
        sign_up_week,
        step_number,
        extract(epoch from reached_at - lag(reached_at) over (partition by user_id order by step_number)) / 3600
            as hours_from_previous
    from progress
    where is_reached

),

counted as (

    select
        sign_up_week,
        step_number,
        count(*) as users,
        percentile_cont(0.5) within group (order by hours_from_previous) as median_hours_from_previous,
        percentile_cont(0.9) within group (order by hours_from_previous) as p90_hours_from_previous
    from reached
    group by 1, 2

),

filled as (

    select
        weeks.sign_up_week,
        steps.step_number,
        steps.step,
        coalesce(counted.users, 0) as users,
        first_value(counted.users) over by_week as signed_up_users,
        lag(counted.users) over by_week as previous_users,
        counted.median_hours_from_previous,
        counted.p90_hours_from_previous
    from weeks
    cross join steps
    left join counted
        on weeks.sign_up_week = counted.sign_up_week and steps.step_number = counted.step_number
    window by_week as (partition by weeks.sign_up_week order by steps.step_number)

)

select
    -- keys
    filled.sign_up_week,
    filled.step_number,
    filled.step,

    -- users
    filled.users::integer as users,
    {{ ratio('filled.users', 'filled.signed_up_users') }} as share_of_signed_up,
    {{ ratio('filled.users', 'filled.previous_users') }} as share_of_previous,

    -- time
    filled.median_hours_from_previous,
    filled.p90_hours_from_previous,

    -- what it is made of
    coalesce(loads.is_complete, false) as is_complete
from filled
left join loads on filled.sign_up_week = loads.week_start
