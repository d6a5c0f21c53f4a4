-- From one day to the next the users' revenue changes by the day's events, to the cent.
with users as (

    select
        day,
        sum(mrr) as mrr
    from {{ ref('fact_users_daily') }}
    where {{ in_tested_window('day', days_before=1) }}
    group by day

),

steps as (

    select
        day,
        mrr - lag(mrr) over (order by day) as mrr_change
    from users

),

events as (

    select
        day,
        sum(mrr_change) as mrr_change
    from {{ ref('fact_subscription_events') }}
    where {{ in_tested_window('day') }}
    group by day

)

select
    steps.day,
    steps.mrr_change as mrr_change_of_users,
    events.mrr_change as mrr_change_of_events
from steps
left join events on steps.day = events.day
where
    -- Of the first day nothing is known of the day before.
    steps.mrr_change is not null
    and steps.mrr_change <> coalesce(events.mrr_change, 0)
