-- Every post that was observed on a day is there, unless it was deleted; and what is new since the observation
-- before is what the counts have grown by.
with observed as (

    select distinct
        post_metrics.day,
        post_metrics.post_id
    from {{ ref('stg_app__post_metrics') }} as post_metrics
    left join {{ ref('stg_app__social_posts') }} as posts on post_metrics.post_id = posts.post_id
    where
        posts.deleted_at is null
        and {{ in_tested_days('post_metrics.day', ref('fact_content_daily')) }}

),

told as (

    select
        day,
        post_id,
        likes - lag(likes) over by_post <> new_likes
        or comments - lag(comments) over by_post <> new_comments
        or shares - lag(shares) over by_post <> new_shares
        or clicks - lag(clicks) over by_post <> new_clicks
        or impressions - lag(impressions) over by_post <> new_impressions
            as is_wrong
    from {{ ref('fact_content_daily') }}
    where {{ in_tested_window('day') }}
    window by_post as (partition by post_id order by day)

)

select
    day,
    post_id,
    observed.post_id is not null as is_observed,
    told.post_id is not null as is_told,
    told.is_wrong
from observed
full outer join told using (day, post_id)
where
    observed.post_id is null
    or told.post_id is null
    or told.is_wrong
