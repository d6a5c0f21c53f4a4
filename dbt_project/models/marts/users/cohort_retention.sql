{{ config(
    indexes=[
        {'columns': ['week_start']},
    ]
) }}

with users as (

    select
        user_id,
        {{ week_start(utc_day('min(joined_at)')) }} as cohort_week
    from {{ ref('dim_user') }}
    where is_known
    group by user_id

),

cohorts as (

    select
        cohort_week,
        count(*) as cohort_size
    from users
    group by cohort_week

),

weeks as (

    select distinct week_start
    from {{ ref('dim_date') }}
    where is_known

),

loads as (

    select
        week_start,
        is_complete
    from {{ ref('int_loaded_weeks') }}
    where table_name = 'user_sessions'

),

user_weeks as (

    select distinct
        user_id,
        {{ week_start('day') }} as week_start
    from {{ ref('fact_sessions') }}

),

activity as (

    select
        users.cohort_week,
        user_weeks.week_start,
        count(*) as active_users
    from user_weeks
    inner join users on user_weeks.user_id = users.user_id
    group by 1, 2

)

select
    -- keys
    cohorts.cohort_week,
    (weeks.week_start - cohorts.cohort_week) / 7 as week_number,
    weeks.week_start,

    -- users
    cohorts.cohort_size::integer as cohort_size,
    coalesce(activity.active_users, 0)::integer as active_users,
    {{ ratio('coalesce(activity.active_users, 0)', 'cohorts.cohort_size') }} as retention_rate,

    -- what it is made of
    coalesce(loads.is_complete, false) as is_complete
from cohorts
inner join weeks
    on
        cohorts.cohort_week <= weeks.week_start
        and weeks.week_start <= cohorts.cohort_week + 26 * 7
left join activity
    on cohorts.cohort_week = activity.cohort_week and weeks.week_start = activity.week_start
left join loads on weeks.week_start = loads.week_start
