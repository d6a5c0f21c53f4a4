-- And no day is left out.
with days as (

    select
        day,
        opening_mrr,
        lag(closing_mrr, 1, 0) over (order by day) as closing_mrr_before,
        lag(day, 1, day - 1) over (order by day) as day_before
    from {{ ref('mrr_movements') }}

)

select *
from days
where
    opening_mrr <> closing_mrr_before
    or day_before <> day - 1
