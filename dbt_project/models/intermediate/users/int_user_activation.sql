with users as (

    select
        user_id,
        min(joined_at) as signed_up_at
    from {{ ref('dim_user') }}
    where is_known
    group by user_id

),

connections as (

    select
        user_id,
        min(connected_at) as connected_at
    from {{ ref('dim_social_account') }}
    where is_known
    group by user_id

),

posts as (

    select
        posts.user_id,
        min(posts.created_at) as post_created_at,
        min(posts.published_at) filter (where posts.status = 'published') as published_at,
        min(outcomes.first_engaged_at) as engaged_at
    from {{ ref('dim_post') }} as posts
    left join {{ ref('int_post_outcomes') }} as outcomes on posts.post_id = outcomes.post_id
    where posts.is_known
    group by posts.user_id

),

payments as (

    select
        user_id,
        min(occurred_at) as paid_at
    from {{ ref('fact_subscription_events') }}
    where mrr_after > 0
    group by user_id

)

select
    users.user_id,

    -- first moments
    users.signed_up_at,
    connections.connected_at,
    posts.post_created_at,
    posts.published_at,
    posts.engaged_at,
    payments.paid_at,

    -- judged
    case
        when connections.connected_at is not null and posts.published_at is not null
            then greatest(users.signed_up_at, connections.connected_at, posts.post_created_at, posts.published_at)
    end as activated_at
from users
left join connections on users.user_id = connections.user_id
left join posts on users.user_id = posts.user_id
left join payments on users.user_id = payments.user_id
