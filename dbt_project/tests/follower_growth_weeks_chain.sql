-- Each week opens with what the account's week before closed with: so growth sums to the last count less the first.
with weeks as (

    select *
    from {{ ref('follower_growth') }}
    where {{ in_tested_window('week_start', whole_weeks=true) }}

)

select
    weeks.account_id,
    weeks.week_start,
    weeks.opening_day,
    weeks.opening_followers,
    week_before.closing_day,
    week_before.closing_followers
from weeks
cross join
    lateral (
        select
            before.closing_day,
            before.closing_followers
        from {{ ref('follower_growth') }} as before
        where
            before.account_id = weeks.account_id
            and before.week_start < weeks.week_start
        order by before.week_start desc
        limit 1
    ) as week_before
where
    weeks.opening_day <> week_before.closing_day
    or weeks.opening_followers <> week_before.closing_followers
