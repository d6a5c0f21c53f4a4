-- The cost of a day is the bill: what was logged on it, to the last digit.
with loaded as (

    select
        day,
        sum(tokens) as tokens,
        sum(cost) as cost
    from {{ ref('stg_app__ai_usage_logs') }}
    where {{ in_tested_days('day', ref('fact_ai_daily')) }}
    group by day

),

told as (

    select
        day,
        sum(tokens) as tokens,
        sum(cost) as cost
    from {{ ref('fact_ai_daily') }}
    where {{ in_tested_window('day') }}
    group by day

)

select
    day,
    loaded.cost as cost_loaded,
    told.cost as cost_told
from loaded
full outer join told using (day)
where
    coalesce(loaded.cost, 0) <> coalesce(told.cost, 0)
    or coalesce(loaded.tokens, 0) <> coalesce(told.tokens, 0)
