select
    day,
    active_users_7d,
    mrr,
    round(mrr_change_28d::numeric, 3) as mrr_change_28d,
    total_posts_28d,
    round(avg_engagement_28d::numeric, 1) as avg_engagement_28d,
    round(total_ai_cost_28d, 2) as total_ai_cost_28d
from {{ ref('executive_overview') }}
order by day desc
limit 1
