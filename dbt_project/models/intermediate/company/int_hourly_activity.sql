-- One branch a measure. Each gives its UTC day as a column of its own, so that a condition on it reaches the tables.
select
    {{ utc_day('joined_at') }} as day,
    {{ utc_hour('joined_at') }} as hour_at,
    'sign_ups' as measure,
    count(*)::numeric as amount
from {{ ref('dim_user') }}
where
    is_known
    -- Of a user's rows the first, for a user signs up once.
    and valid_from = joined_at
group by 1, 2

union all

select
    {{ utc_day('created_at') }} as day,
    {{ utc_hour('created_at') }} as hour_at,
    'posts_created' as measure,
    count(*)::numeric as amount
from {{ ref('dim_post') }}
where is_known
group by 1, 2

union all

select
    published_date as day,
    {{ utc_hour('published_at') }} as hour_at,
    'posts_published' as measure,
    count(*)::numeric as amount
from {{ ref('fact_posts') }}
group by 1, 2

union all

select
    day,
    {{ utc_hour('created_at') }} as hour_at,
    'comments' as measure,
    count(*)::numeric as amount
from {{ ref('stg_app__social_comments') }}
group by 1, 2
