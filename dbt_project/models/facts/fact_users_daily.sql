{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['user_id', 'day']},
    ]
) }}

with days as (

    select {{ days_from(window_start(), window_end() ~ ' - 1') }}::date as day

),

members as (

    select
        users.user_id,
        days.day,
        users.user_key,
        users.subscription_tier,
        users.joined_at
    from days
    inner join {{ ref('dim_user') }} as users on {{ held_at_end_of('users', 'days.day') }}
    where users.is_known

),

-- What each user did, a row a day on which there was something. The 6 days before the window are there
-- for the sums over 7 days.
sessions_by_day as (

    select
        user_id,
        day,
        count(*) as sessions,
        coalesce(sum(duration_seconds), 0)::bigint as session_seconds
    from {{ ref('int_user_visits') }}
    where
        is_session
        and {{ in_window('day', days_before=6) }}
    group by 1, 2

),

posts_created_by_day as (

    select
        user_id,
        {{ utc_day('created_at') }} as day,
        count(*) as posts_created
    from {{ ref('dim_post') }}
    where
        is_known
        and {{ in_window_at('created_at', days_before=6) }}
    group by 1, 2

),

posts_published_by_day as (

    select
        user_id,
        {{ utc_day('published_at') }} as day,
        count(*) as posts_published
    from {{ ref('dim_post') }}
    where
        status = 'published'
        and {{ in_window_at('published_at') }}
    group by 1, 2

),

ai_requests_by_day as (

    select
        user_id,
        day,
        count(*) as ai_requests
    from {{ ref('int_ai_requests') }}
    where {{ in_window_at('created_at') }}
    group by 1, 2

),

-- What lasts: of all days before the window, told together on the day before it.
logins_by_day as (

    select
        user_id,
        greatest(day, {{ window_start() }} - 1) as day,
        max(day) as last_login_day
    from {{ ref('int_user_visits') }}
    where day < {{ window_end() }}
    group by 1, 2

),

accounts as (

    select
        user_id,
        valid_from,
        valid_to
    from {{ ref('dim_social_account') }}
    where is_known

),

account_changes as (

    select
        user_id,
        {{ utc_day('valid_from') }} as day,
        1 as accounts
    from accounts

    union all

    select
        user_id,
        {{ utc_day('valid_to') }} as day,
        -1 as accounts
    from accounts
    where valid_to is not null

),

accounts_by_day as (

    select
        user_id,
        greatest(day, {{ window_start() }} - 1) as day,
        sum(accounts) as account_change
    from account_changes
    where day < {{ window_end() }}
    group by 1, 2

),

revenue_by_day as (

    select
        changes.user_id,
        days.day,
        changes.mrr_after as mrr
    from days
    inner join {{ ref('int_subscription_changes') }} as changes on {{ held_at_end_of('changes', 'days.day') }}
    where changes.mrr_after > 0

),

happened as (

    select
        user_id,
        day,
        members.user_key,
        members.subscription_tier,
        members.joined_at,
        coalesce(sessions_by_day.sessions, 0) as sessions,
        coalesce(sessions_by_day.session_seconds, 0) as session_seconds,
        coalesce(posts_created_by_day.posts_created, 0) as posts_created,
        coalesce(posts_published_by_day.posts_published, 0) as posts_published,
        coalesce(ai_requests_by_day.ai_requests, 0) as ai_requests,
        coalesce(accounts_by_day.account_change, 0) as account_change,
        coalesce(revenue_by_day.mrr, 0) as mrr,
        logins_by_day.last_login_day
    from members
    full outer join sessions_by_day using (user_id, day)
    full outer join posts_created_by_day using (user_id, day)
    full outer join posts_published_by_day using (user_id, day)
    full outer join ai_requests_by_day using (user_id, day)
    full outer join logins_by_day using (user_id, day)
    full outer join accounts_by_day using (user_id, day)
    full outer join revenue_by_day using (user_id, day)

),

measured as (

    select
        *,
        sum(sessions) over last_7_days as sessions_7d,
        sum(posts_created) over last_7_days as posts_created_7d,
        sum(account_change) over so_far as connected_accounts,
        day - max(last_login_day) over so_far as days_since_last_login,
        {{ whole_days('joined_at', 'day') }} as user_tenure_days
    from happened
    window
        so_far as (partition by user_id order by day),
        last_7_days as (
            partition by user_id order by day range between interval '6 days' preceding and current row
        )

),

user_days as (

    select * from measured
    where
        {{ in_window('day') }}
        -- Who does something, or pays, and whose own row has not arrived, does so all the same.
        and (
            user_key is not null
            or sessions + posts_created + posts_published + ai_requests > 0
            or mrr > 0
        )

)

select
    -- keys
    user_id,
    day,
    coalesce(user_key, {{ unknown_key() }}) as user_key,

    -- as of the day's end
    coalesce(subscription_tier, {{ unknown_key() }}) as subscription_tier,
    mrr::numeric(12, 2) as mrr,
    user_tenure_days,
    days_since_last_login,
    connected_accounts::integer as connected_accounts,

    -- on the day
    sessions > 0 as is_active_today,
    sessions::integer as sessions,
    session_seconds,
    posts_created::integer as posts_created,
    posts_published::integer as posts_published,
    ai_requests::integer as ai_requests,

    -- in the last 7 days
    sessions_7d::integer as sessions_7d,
    posts_created_7d::integer as posts_created_7d,

    -- judged
    {{ user_segment('user_tenure_days', 'days_since_last_login', 'sessions_7d') }} as user_segment,
    {{ churn_risk(
        'user_tenure_days', 'days_since_last_login', 'sessions_7d', 'posts_created_7d', 'connected_accounts'
    ) }} as churn_risk
from user_days
