-- Every account that was observed on a day is there, and its growth is what its followers have grown by.
with observed as (

    select distinct
        day,
        account_id
    from {{ ref('stg_app__account_metrics') }}
    where {{ in_tested_days('day', ref('fact_social_daily')) }}

),

told as (

    select
        day,
        account_id,
        followers - lag(followers) over by_account <> follower_growth
        or day - lag(day) over by_account <> days_since_previous as is_wrong
    from {{ ref('fact_social_daily') }}
    where {{ in_tested_window('day') }}
    window by_account as (partition by account_id order by day)

)

select
    day,
    account_id,
    observed.account_id is not null as is_observed,
    told.account_id is not null as is_told,
    told.is_wrong
from observed
full outer join told using (day, account_id)
where
    observed.account_id is null
    or told.account_id is null
    or told.is_wrong
