{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    meta={'window_column': 'period_start', 'looks_back': true},
    unique_key='period_key',
    indexes=[
        {'columns': ['period_type', 'period_start'], 'unique': true},
    ]
) }}

-- The periods that the window touches, each to be counted whole: a day of the window is a day of its week and
-- of its month too.
with periods as (

    select distinct
        periods.period_type,
        periods.period_start,
        periods.period_end
    from {{ ref('dim_date') }} as days
    cross join
        lateral (
            values
            ('day', days.day, days.day + 1),
            ('week', days.week_start, days.week_start + 7),
            ('month', days.month_start, (days.month_start + interval '1 month')::date)
        ) as periods (period_type, period_start, period_end)
    where
        days.is_known
        and {{ in_window('days.day') }}

),

-- What has to be read for them, and for the 30 days that end with each day.
span as (

    select
        least(min(period_start), {{ window_start() }} - 29) as first_day,
        max(period_end) as end_day
    from periods

),

-- Days of which the warehouse knows anything, and of which it has the two inputs.
days as (

    select
        dates.day,
        dates.week_start,
        dates.month_start,
        bool_or(loads.table_name = 'user_sessions') is true as has_sessions,
        bool_or(loads.table_name = 'app_events_daily') is true as has_events
    from {{ ref('dim_date') }} as dates
    left join {{ ref('int_loaded_days') }} as loads on dates.day = loads.day
    where
        dates.is_known
        and dates.day >= (select span.first_day from span)
        and dates.day < (select span.end_day from span)
    group by 1, 2, 3

),

-- One row per user and day with something on it.
activity as (

    select distinct
        true as is_session,
        user_id,
        day
    from {{ ref('fact_sessions') }}
    where
        day >= (select span.first_day from span)
        and day < (select span.end_day from span)

    union all

    select distinct
        false as is_session,
        user_id,
        day
    from {{ ref('stg_events__app_events_daily') }}
    where
        user_id is not null
        and day >= (select span.first_day from span)
        and day < (select span.end_day from span)

),

linked as (

    select
        *,
        lag(day) over by_user as previous_day,
        lead(day) over by_user as next_day
    from activity
    window by_user as (partition by is_session, user_id order by day)

),

users as (

    select
        user_id,
        {{ utc_day('min(joined_at)') }} as joined_day
    from {{ ref('dim_user') }}
    where is_known
    group by user_id

),

-- A user counts in a period on the first day of it that he is seen, so nothing has to be told apart again.
counted as (

    select
        periods.period_type,
        periods.period_start,
        count(*) filter (where linked.is_session) as active_users,
        count(*) filter (
            where
            linked.is_session
            and users.joined_day >= periods.period_start
            and users.joined_day < periods.period_end
        ) as new_active_users,
        count(*) filter (where not linked.is_session) as users_with_events
    from linked
    inner join days on linked.day = days.day
    cross join
        lateral (
            values
            ('day', days.day, days.day + 1),
            ('week', days.week_start, days.week_start + 7),
            ('month', days.month_start, (days.month_start + interval '1 month')::date)
        ) as periods (period_type, period_start, period_end)
    left join users on linked.user_id = users.user_id
    where linked.previous_day is null or linked.previous_day < periods.period_start
    group by 1, 2

),

-- A user comes into the trailing days when he is seen, and leaves when he is seen again, to come in anew, or
-- when they have passed.
comings_and_goings as (

    select
        changes.day,
        sum(changes.change_7d) as change_7d,
        sum(changes.change_30d) as change_30d
    from linked
    cross join
        lateral (
            values
            (linked.day, 1, 1),
            (least(linked.next_day, linked.day + 7), -1, 0),
            (least(linked.next_day, linked.day + 30), 0, -1)
        ) as changes (day, change_7d, change_30d)
    where linked.is_session
    group by 1

),

trailing_days as (

    select
        periods.period_start as day,
        sum(comings_and_goings.change_7d) as active_users_7d,
        sum(comings_and_goings.change_30d) as active_users_30d
    from periods
    inner join comings_and_goings on periods.period_start >= comings_and_goings.day
    where periods.period_type = 'day'
    group by 1

),

inputs as (

    select
        periods.period_type,
        periods.period_start,
        count(*) filter (where days.day >= periods.period_start and days.has_sessions) as days_loaded,
        bool_or(days.day >= periods.period_start and not days.has_sessions) as is_sessions_missing,
        bool_or(days.day >= periods.period_start and not days.has_events) as is_events_missing,
        count(*) filter (where days.has_sessions) as trailing_days_loaded
    from periods
    inner join days
        on
            days.day >= least(periods.period_start, periods.period_end - 30)
            and periods.period_end > days.day
    group by 1, 2

)

select
    -- keys
    periods.period_type || ' ' || to_char(periods.period_start, 'YYYY-MM-DD') as period_key,
    periods.period_type,
    periods.period_start,

    -- users in the period
    coalesce(counted.active_users, 0)::integer as active_users,
    coalesce(counted.new_active_users, 0)::integer as new_active_users,
    coalesce(counted.users_with_events, 0)::integer as users_with_events,

    -- users in the days that end with the day
    case when periods.period_type = 'day' then coalesce(trailing_days.active_users_7d, 0)::integer end
        as active_users_7d,
    case when periods.period_type = 'day' then coalesce(trailing_days.active_users_30d, 0)::integer end
        as active_users_30d,
    case
        when periods.period_type = 'day'
            then {{ ratio('coalesce(counted.active_users, 0)', 'trailing_days.active_users_30d') }}
    end as stickiness,

    -- what it is made of
    periods.period_end - periods.period_start as days_in_period,
    inputs.days_loaded::integer as days_loaded,
    case when periods.period_type = 'day' then inputs.trailing_days_loaded::integer end as trailing_days_loaded,
    inputs.days_loaded = periods.period_end - periods.period_start as is_complete,
    inputs.is_sessions_missing,
    inputs.is_events_missing
from periods
inner join inputs
    on periods.period_type = inputs.period_type and periods.period_start = inputs.period_start
left join counted
    on periods.period_type = counted.period_type and periods.period_start = counted.period_start
left join trailing_days
    on periods.period_type = 'day' and periods.period_start = trailing_days.day
