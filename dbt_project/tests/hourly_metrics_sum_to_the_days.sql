-- The hours of a day sum to what the daily facts say of it; distinct users do not add up.
with hours as (

    select
        day,
        sum(sessions) as sessions,
        sum(posts_created) as posts_created,
        sum(posts_published) as posts_published,
        sum(ai_requests) as ai_requests,
        sum(ai_failed_requests) as ai_failed_requests,
        sum(ai_tokens) as ai_tokens,
        sum(ai_cost) as ai_cost
    from {{ ref('hourly_metrics') }}
    where {{ in_tested_window('day') }}
    group by day

),

users as (

    select
        day,
        sum(sessions) as sessions,
        sum(posts_created) as posts_created
    from {{ ref('fact_users_daily') }}
    where {{ in_tested_window('day') }}
    group by day

),

posts as (

    select
        published_date as day,
        count(*) as posts_published
    from {{ ref('fact_posts') }}
    where {{ in_tested_window('published_date') }}
    group by published_date

),

ai as (

    select
        day,
        sum(requests) as ai_requests,
        sum(failed_requests) as ai_failed_requests,
        sum(tokens) as ai_tokens,
        sum(cost) as ai_cost
    from {{ ref('fact_ai_daily') }}
    where {{ in_tested_window('day') }}
    group by day

)

select hours.*
from hours
left join users on hours.day = users.day
left join posts on hours.day = posts.day
left join ai on hours.day = ai.day
where
    hours.sessions <> coalesce(users.sessions, 0)
    or hours.posts_created <> coalesce(users.posts_created, 0)
    or hours.posts_published <> coalesce(posts.posts_published, 0)
    or hours.ai_requests <> coalesce(ai.ai_requests, 0)
    or hours.ai_failed_requests <> coalesce(ai.ai_failed_requests, 0)
    or hours.ai_tokens <> coalesce(ai.ai_tokens, 0)
    or hours.ai_cost <> coalesce(ai.ai_cost, 0)
