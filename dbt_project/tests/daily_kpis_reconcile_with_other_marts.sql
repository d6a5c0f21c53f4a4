-- The same numbers told by other marts: posts and their engagement by platform, AI cost by type and plan.
with kpis as (

    select * from {{ ref('daily_kpis') }}
    where {{ in_tested_window('day') }}

),

platforms as (

    select
        day,
        sum(posts) as posts,
        sum(ai_generated_posts) as ai_generated_posts,
        {{ ratio('sum(engagement_total)', 'sum(observed_posts)') }} as avg_engagement
    from {{ ref('platform_performance') }}
    where {{ in_tested_window('day') }}
    group by day

),

ai as (

    select
        day,
        sum(cost) as cost
    from {{ ref('ai_efficiency') }}
    where {{ in_tested_window('day') }}
    group by day

)

select
    kpis.day,
    kpis.total_posts,
    platforms.posts,
    kpis.ai_generated_posts,
    platforms.ai_generated_posts as ai_generated_posts_of_platforms,
    kpis.avg_engagement,
    platforms.avg_engagement as avg_engagement_of_platforms,
    kpis.total_ai_cost,
    ai.cost
from kpis
left join platforms on kpis.day = platforms.day
left join ai on kpis.day = ai.day
where
    kpis.total_posts is distinct from platforms.posts
    or kpis.ai_generated_posts is distinct from platforms.ai_generated_posts
    or round(kpis.avg_engagement::numeric, 9) is distinct from round(platforms.avg_engagement::numeric, 9)
    or kpis.total_ai_cost <> coalesce(ai.cost, 0)
