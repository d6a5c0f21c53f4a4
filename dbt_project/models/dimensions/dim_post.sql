{{ config(
    indexes=[
        {'columns': ['post_id'], 'unique': true},
        {'columns': ['published_at']},
        {'columns': ['created_at']},
        {'columns': ['user_id', 'created_at']},
    ]
) }}

with posts as (

    select * from {{ ref('stg_app__social_posts') }}
    where deleted_at is null

),

authors as (

    -- Of a deleted author too: what was published before stays where it was on the author's clock.
    select distinct
        user_id,
        timezone,
        is_timezone_known
    from {{ ref('dim_user') }}
    where is_known

)

select
    -- keys
    posts.post_id as post_key,
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
    coalesce(authors.is_timezone_known, false) as is_timezone_known,
    true as is_known
from posts
left join authors on posts.user_id = authors.user_id

union all

select
    -- keys
    {{ unknown_id() }} as post_key,
    {{ unknown_id() }} as post_id,
    {{ unknown_id() }} as user_id,
    {{ unknown_id() }} as account_id,

    -- attributes
    {{ unknown_key() }} as platform,
    {{ unknown_key() }} as status,
    null as media_type,
    'Unknown' as content_category,
    false as ai_generated,
    null as hashtags,

    -- numbers
    null as content_length,
    null as hashtag_count,

    -- times
    {{ unknown_moment() }} as created_at,
    null as scheduled_at,
    null as published_at,
    {{ unknown_moment() }} as planned_at,
    {{ unknown_moment() }} as updated_at,

    -- the author's clock
    'UTC' as author_timezone,
    false as is_timezone_known,
    false as is_known
