select
    week_start,
    account_id,
    platform,
    opening_followers,
    closing_followers,
    round(follower_growth_rate::numeric, 3) as follower_growth_rate
from {{ ref('follower_growth') }}
where is_whole_week
order by week_start desc, follower_growth_rate desc, account_id asc
limit 5
