select
    platform,
    sum(mature_posts) as mature_posts,
    round(sum(mature_engagement_score) / nullif(sum(mature_posts), 0), 1) as avg_mature_engagement_score,
    sum(viral_posts) as viral_posts
from {{ ref('platform_performance') }}
group by platform
order by avg_mature_engagement_score desc nulls last
