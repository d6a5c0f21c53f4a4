-- Each fact is aggregated to days before any join: joined first, a row of one would count once for
-- every row of the others.
with users as (

    select
        day,
        count(*) filter (where is_active_today) as active_users,
        count(*) filter (where mrr > 0) as paying_users,
        sum(mrr) as mrr
    from {{ ref('fact_users_daily') }}
    group by day

),

posts as (

    select
        published_date as day,
        count(*) as total_posts,
        count(*) filter (where ai_generated) as ai_generated_posts,
        avg(engagement_total)::double precision as avg_engagement
    from {{ ref('fact_posts') }}
    group by published_date

),

ai as (

    select
        day,
        sum(cost) as total_ai_cost,
        {{ ratio('sum(processing_seconds)', 'sum(timed_requests)') }} as avg_ai_processing_time
    from {{ ref('fact_ai_daily') }}
    group by day

),

days as (

    select day from users
    union
    select day from posts
    union
    select day from ai

)

select
    days.day,

    -- users
    coalesce(users.active_users, 0)::integer as active_users,
    coalesce(users.paying_users, 0)::integer as paying_users,
    coalesce(users.mrr, 0)::numeric(18, 2) as mrr,

    -- posts
    coalesce(posts.total_posts, 0)::integer as total_posts,
    posts.avg_engagement,
    coalesce(posts.ai_generated_posts, 0)::integer as ai_generated_posts,

    -- AI
    ai.avg_ai_processing_time,
    coalesce(ai.total_ai_cost, 0)::numeric(18, 6) as total_ai_cost
from days
inner join {{ ref('dim_date') }} as dates on days.day = dates.day
left join users on days.day = users.day
left join posts on days.day = posts.day
left join ai on days.day = ai.day
