select
    hour,
    round(avg(sessions), 1) as sessions_a_day,
    round(avg(posts_published), 1) as posts_a_day,
    round(avg(ai_requests), 1) as ai_requests_a_day
from {{ ref('hourly_metrics') }}
group by hour
order by sessions_a_day desc, hour asc
limit 5
