{{ config(
    indexes=[
        {'columns': ['published_at']},
        {'columns': ['created_at']},
        {'columns': ['user_id', 'created_at']},
    ]
) }}

with posts as (

    select * from {{ ref('stg_app__social_posts') }}

),

authors as (

    select
        user_id,
        timezone,
        is_timezone_known
    from {{ ref('dim_user') }}
    where is_current

)

select
    -- ids
    posts.post_id,
    posts.user_id,
    posts.account_id,

    -- attributes
    posts.platform,
    posts.status,
    posts.media_type,
    {{ content_category('posts.content') }} as content_category,
    posts.ai_generated,
    posts.hashtags,

    -- numbers
    char_length(posts.content)::bigint as content_length,
    cardinality(posts.hashtags)::bigint as hashtag_count,

    -- times
    posts.created_at,
    posts.scheduled_at,
    posts.published_at,
    coalesce(posts.scheduled_at, posts.published_at, posts.created_at) as planned_at,
    posts.updated_at,

    -- the author's clock
    coalesce(authors.timezone, 'UTC') as author_timezone,
    coalesce(authors.is_timezone_known, false) as is_timezone_known
from posts
left join authors on posts.user_id = authors.user_id
