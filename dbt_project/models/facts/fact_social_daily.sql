{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['account_id', 'day']},
        {'columns': ['user_id', 'day']},
        {'columns': ['platform', 'day']},
    ]
) }}

with account_metrics as (

    select * from {{ ref('stg_app__account_metrics') }}

),

observed as (

    select distinct on (account_id, day)
        *,
        -- Not every source knows the rate: the day's last that is known.
        first_value(engagement_rate) over (
            partition by account_id, day
            order by (engagement_rate is null) asc, collected_at desc, account_metric_id desc
        ) as known_engagement_rate
    from account_metrics
    where {{ in_window('day') }}
    order by account_id asc, day asc, collected_at desc, account_metric_id desc

),

-- What each of these accounts stood at before the window: the start of its first growth.
before as (

    select distinct on (account_id)
        *,
        engagement_rate as known_engagement_rate
    from account_metrics
    where
        day < {{ window_start() }}
        and account_id in (select observed.account_id from observed)
    order by account_id asc, day desc, collected_at desc, account_metric_id desc

),

steps as (

    select
        *,
        followers - lag(followers) over by_account as follower_growth,
        lag(followers) over by_account as previous_followers,
        day - lag(day) over by_account as days_since_previous
    from (
        select * from before
        union all
        select * from observed
    ) as observations
    window by_account as (partition by account_id order by day)

),

accounts as (

    select * from {{ ref('dim_social_account') }}
    where is_known

),

users as (

    select * from {{ ref('dim_user') }}
    where is_known

),

posts_by_day as (

    select
        account_id,
        {{ utc_day('published_at') }} as day,
        count(*) as posts_published
    from {{ ref('dim_post') }}
    where
        status = 'published'
        and {{ in_window_at('published_at') }}
    group by 1, 2

),

loaded as (

    select max(day) as last_day
    from {{ ref('int_loaded_days') }}
    where table_name = 'account_metrics'

)

select
    -- keys
    steps.account_id,
    steps.day,
    coalesce(accounts.account_key, {{ unknown_key() }}) as account_key,
    accounts.user_id,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,
    coalesce(users.subscription_tier, {{ unknown_key() }}) as subscription_tier,
    coalesce(accounts.platform, {{ unknown_key() }}) as platform,

    -- audience
    steps.collected_at as observed_at,
    steps.followers,
    steps.following,
    steps.posts,
    steps.follower_growth,
    steps.days_since_previous,
    case
        when steps.days_since_previous = 1 then {{ ratio('steps.follower_growth', 'steps.previous_followers') }}
    end as follower_growth_rate,

    -- engagement
    steps.known_engagement_rate as engagement_rate,
    {{ engagement_category('steps.known_engagement_rate') }} as engagement_category,

    -- on the day
    coalesce(posts_by_day.posts_published, 0)::integer as posts_published,

    -- whether any of it can still change
    {{ is_final('steps.day', 'loaded.last_day') }} as is_final
from steps
cross join loaded
left join accounts
    on
        steps.account_id = accounts.account_id
        and {{ held_at_end_of('accounts', 'steps.day') }}
left join users
    on
        accounts.user_id = users.user_id
        and {{ held_at_end_of('users', 'steps.day') }}
left join posts_by_day
    on steps.account_id = posts_by_day.account_id and steps.day = posts_by_day.day
where {{ in_window('steps.day') }}
