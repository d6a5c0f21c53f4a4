with changes_by_day as (

    select
        day,
        sum(mrr_change) as mrr_change,
        sum(mrr_change) filter (where mrr_movement = 'new') as new_mrr,
        sum(mrr_change) filter (where mrr_movement = 'expansion') as expansion_mrr,
        sum(mrr_change) filter (where mrr_movement = 'contraction') as contraction_mrr,
        sum(mrr_change) filter (where mrr_movement = 'churned') as churned_mrr,
        sum(mrr_change) filter (where mrr_movement = 'reactivated') as reactivated_mrr,
        count(distinct user_id) filter (where mrr_movement = 'new') as new_users,
        count(distinct user_id) filter (where mrr_movement = 'expansion') as expansion_users,
        count(distinct user_id) filter (where mrr_movement = 'contraction') as contraction_users,
        count(distinct user_id) filter (where mrr_movement = 'churned') as churned_users,
        count(distinct user_id) filter (where mrr_movement = 'reactivated') as reactivated_users
    from {{ ref('int_subscription_changes') }}
    where mrr_change <> 0
    group by day

),

loads as (

    select day
    from {{ ref('int_loaded_days') }}
    where table_name = 'subscription_events'

),

days as (

    select
        dates.day,
        coalesce(changes_by_day.mrr_change, 0)::numeric(18, 2) as mrr_change,
        coalesce(sum(changes_by_day.mrr_change) over (order by dates.day), 0)::numeric(18, 2) as closing_mrr,
        coalesce(changes_by_day.new_mrr, 0)::numeric(18, 2) as new_mrr,
        coalesce(changes_by_day.expansion_mrr, 0)::numeric(18, 2) as expansion_mrr,
        coalesce(changes_by_day.contraction_mrr, 0)::numeric(18, 2) as contraction_mrr,
        coalesce(changes_by_day.churned_mrr, 0)::numeric(18, 2) as churned_mrr,
        coalesce(changes_by_day.reactivated_mrr, 0)::numeric(18, 2) as reactivated_mrr,
        coalesce(changes_by_day.new_users, 0)::integer as new_users,
        coalesce(changes_by_day.expansion_users, 0)::integer as expansion_users,
        coalesce(changes_by_day.contraction_users, 0)::integer as contraction_users,
        coalesce(changes_by_day.churned_users, 0)::integer as churned_users,
        coalesce(changes_by_day.reactivated_users, 0)::integer as reactivated_users,
        loads.day is null as is_subscriptions_missing
    from {{ ref('dim_date') }} as dates
    left join changes_by_day on dates.day = changes_by_day.day
    left join loads on dates.day = loads.day
    where dates.is_known

)

select
    -- key
    day,

    -- closing = opening + the five movements, of which contraction and churned are negative or 0
    (closing_mrr - mrr_change)::numeric(18, 2) as opening_mrr,
    new_mrr,
    expansion_mrr,
    contraction_mrr,
    churned_mrr,
    reactivated_mrr,
    closing_mrr,

    -- users who moved
    new_users,
    expansion_users,
    contraction_users,
    churned_users,
    reactivated_users,

    -- what it is made of
    is_subscriptions_missing
from days
