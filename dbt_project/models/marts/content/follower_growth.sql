{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    meta={'window_column': 'week_start', 'whole_weeks': true, 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['account_id', 'week_start']},
        {'columns': ['user_id', 'week_start']},
    ]
) }}

with observed as (

    select
        *,
        {{ week_start('day') }} as week_start
    from {{ ref('fact_social_daily') }}
    where {{ in_window('day', whole_weeks=true) }}

),

-- A day may tell the rate and not the followers.
categories as (

    select distinct on (account_id, week_start)
        account_id,
        week_start,
        engagement_category
    from observed
    where engagement_category is not null
    order by account_id asc, week_start asc, day desc

),

weeks as (

    select
        account_id,
        week_start,
        (array_agg(account_key order by day desc))[1] as account_key,
        (array_agg(user_id order by day desc))[1] as user_id,
        (array_agg(platform order by day desc))[1] as platform,
        min(day) as first_day,
        max(day) as closing_day,
        (array_agg(followers order by day))[1] as first_followers,
        (array_agg(followers order by day desc))[1] as closing_followers,
        count(*) as observed_days,
        bool_and(is_final) as is_final
    from observed
    where followers is not null
    group by 1, 2

),

-- What each of these accounts stood at before the window: where its first week opens.
before as (

    select
        accounts.account_id,
        last_known.day,
        last_known.followers
    from (select distinct account_id from weeks) as accounts
    cross join lateral (
        select
            days.day,
            days.followers
        from {{ ref('fact_social_daily') }} as days
        where
            days.account_id = accounts.account_id
            and days.day < {{ window_start(whole_weeks=true) }}
            and days.followers is not null
        order by days.day desc
        limit 1
    ) as last_known

),

opened as (

    select
        weeks.*,
        coalesce(lag(weeks.closing_day) over by_account, before.day, weeks.first_day) as opening_day,
        coalesce(lag(weeks.closing_followers) over by_account, before.followers, weeks.first_followers)
            as opening_followers
    from weeks
    left join before on weeks.account_id = before.account_id
    window by_account as (partition by weeks.account_id order by weeks.week_start)

),

posts_by_week as (

    select
        account_id,
        {{ week_start('published_date') }} as week_start,
        count(*) as posts_published
    from {{ ref('fact_posts') }}
    where {{ in_window('published_date', whole_weeks=true) }}
    group by 1, 2

)

select
    -- keys
    opened.account_id,
    opened.week_start,
    opened.account_key,
    opened.user_id,
    opened.platform,

    -- audience
    opened.opening_day,
    opened.closing_day,
    opened.opening_followers,
    opened.closing_followers,
    opened.closing_followers - opened.opening_followers as follower_growth,
    {{ ratio('opened.closing_followers - opened.opening_followers', 'opened.opening_followers') }}
        as follower_growth_rate,

    -- in the week
    categories.engagement_category,
    coalesce(posts_by_week.posts_published, 0)::integer as posts_published,

    -- how far to trust it
    opened.observed_days::integer as observed_days,
    opened.opening_day = opened.week_start - 1 and opened.closing_day = opened.week_start + 6 as is_whole_week,
    opened.is_final
from opened
left join categories
    on opened.account_id = categories.account_id and opened.week_start = categories.week_start
left join posts_by_week
    on opened.account_id = posts_by_week.account_id and opened.week_start = posts_by_week.week_start
