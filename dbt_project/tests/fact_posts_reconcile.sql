-- Every published post is in fact_posts, and in the day of its author.
with published as (

    select
        {{ utc_day('published_at') }} as day,
        count(*) as posts
    from {{ ref('dim_post') }}
    where
        status = 'published'
        and {{ in_tested_days(utc_day('published_at'), ref('fact_users_daily')) }}
    group by 1

),

told as (

    select
        published_date as day,
        count(*) as posts
    from {{ ref('fact_posts') }}
    where {{ in_tested_days('published_date', ref('fact_users_daily')) }}
    group by published_date

),

users as (

    select
        day,
        sum(posts_published) as posts
    from {{ ref('fact_users_daily') }}
    where {{ in_tested_window('day') }}
    group by day
    having sum(posts_published) > 0

)

select
    day,
    published.posts as posts_published,
    told.posts as posts_told,
    users.posts as posts_of_users
from published
full outer join told using (day)
full outer join users using (day)
where
    published.posts is distinct from told.posts
    or published.posts is distinct from users.posts
