{{ config(
    meta={'window_column': 'day'},
    indexes=[
        {'columns': ['user_id', 'day']},
    ]
) }}

with days as (

    select generate_series({{ window_start() }}, {{ window_end() }} - 1, interval '1 day')::date as day

),

posts as (

    select
        user_id,
        created_at,
        published_at,
        status
    from {{ ref('dim_post') }}

),

accounts as (

    select
        user_id,
        {{ utc_day('connected_at') }} as day,
        count(*) as accounts
    from {{ ref('dim_social_account') }}
    where is_current
    group by 1, 2

),

-- What each user did, a row a day on which there was something. The 6 days before the window are there
-- for the sums over 7 days.
sessions_by_day as (

    select
        user_id,
        day,
        count(*) as sessions,
        coalesce(sum(duration_seconds), 0)::bigint as session_seconds
    from {{ ref('stg_app__user_sessions') }}
    where {{ in_window('day', days_before=6) }}
    group by 1, 2

),

posts_created_by_day as (

    select
        user_id,
        {{ utc_day('created_at') }} as day,
        count(*) as posts_created
    from posts
    where {{ in_window_at('created_at', days_before=6) }}
    group by 1, 2

),

posts_published_by_day as (

    select
        user_id,
        {{ utc_day('published_at') }} as day,
        count(*) as posts_published
    from posts
    where
        status = 'published'
        and {{ in_window_at('published_at') }}
    group by 1, 2

),

ai_requests_by_day as (

    select
        user_id,
        {{ utc_day('created_at') }} as day,
        count(*) as ai_requests
    from {{ ref('stg_app__ai_requests') }}
    where {{ in_window_at('created_at') }}
    group by 1, 2

),

-- A day counts for itself and for the 6 days after it.
last_7_days as (

    select
        user_id,
        day + days_later as day,
        sum(sessions)::bigint as sessions_7d,
        sum(posts_created)::bigint as posts_created_7d
    from (
        select
            user_id,
            day,
            sessions,
            0 as posts_created
        from sessions_by_day
        union all
        select
            user_id,
            day,
            0 as sessions,
            posts_created
        from posts_created_by_day
    ) as activity
    cross join generate_series(0, 6) as days_later
    where {{ in_window('day + days_later') }}
    group by 1, 2

),

logins as (

    select
        user_id,
        day
    from {{ ref('stg_app__user_sessions') }}
    where day < {{ window_end() }}

    union all

    select
        user_id,
        {{ utc_day('last_login_at') }} as day
    from {{ ref('stg_app__auth_user_versions') }}
    where last_login_at < {{ end_of_day(window_end() ~ ' - 1') }}

),

logins_before as (

    select
        user_id,
        max(day) as last_login_day
    from logins
    where day < {{ window_start() }}
    group by user_id

),

login_days as (

    select distinct
        user_id,
        day
    from logins
    where {{ in_window('day') }}

),

accounts_before as (

    select
        user_id,
        sum(accounts) as accounts
    from accounts
    where day < {{ window_start() }}
    group by user_id

),

subscriptions as (

    select
        user_id,
        mrr,
        occurred_at as valid_from,
        lead(occurred_at, 1, 'infinity') over (
            partition by user_id order by occurred_at, subscription_event_id
        ) as valid_to
    from {{ ref('stg_app__subscription_events') }}
    where occurred_at < {{ end_of_day(window_end() ~ ' - 1') }}

),

members as (

    select
        users.user_id,
        days.day,
        users.user_key,
        users.subscription_tier,
        users.joined_at
    from days
    inner join {{ ref('dim_user') }} as users
        on
            users.valid_from < {{ end_of_day('days.day') }}
            and coalesce(users.valid_to, 'infinity') >= {{ end_of_day('days.day') }}

),

-- A session of somebody whose user row has not arrived is a session all the same.
strangers as (

    select
        sessions_by_day.user_id,
        sessions_by_day.day
    from sessions_by_day
    left join members
        on
            sessions_by_day.user_id = members.user_id
            and sessions_by_day.day = members.day
    where
        members.user_id is null
        and {{ in_window('sessions_by_day.day') }}

),

user_days as (

    select * from members

    union all

    select
        user_id,
        day,
        null as user_key,
        null as subscription_tier,
        null as joined_at
    from strangers

),

measured as (

    select
        user_days.user_id,
        user_days.day,
        user_days.user_key,
        user_days.subscription_tier,
        {{ whole_days('user_days.joined_at', 'user_days.day') }} as user_tenure_days,

        coalesce(sessions_by_day.sessions, 0) as sessions,
        coalesce(sessions_by_day.session_seconds, 0) as session_seconds,
        coalesce(posts_created_by_day.posts_created, 0) as posts_created,
        coalesce(posts_published_by_day.posts_published, 0) as posts_published,
        coalesce(ai_requests_by_day.ai_requests, 0) as ai_requests,
        coalesce(last_7_days.sessions_7d, 0) as sessions_7d,
        coalesce(last_7_days.posts_created_7d, 0) as posts_created_7d,

        user_days.day
        - greatest(logins_before.last_login_day, max(login_days.day) over so_far) as days_since_last_login,
        coalesce(accounts_before.accounts, 0) + coalesce(sum(accounts.accounts) over so_far, 0)
            as connected_accounts,
        coalesce(subscriptions.mrr, 0) as mrr
    from user_days
    left join sessions_by_day
        on user_days.user_id = sessions_by_day.user_id and user_days.day = sessions_by_day.day
    left join posts_created_by_day
        on user_days.user_id = posts_created_by_day.user_id and user_days.day = posts_created_by_day.day
    left join posts_published_by_day
        on user_days.user_id = posts_published_by_day.user_id and user_days.day = posts_published_by_day.day
    left join ai_requests_by_day
        on user_days.user_id = ai_requests_by_day.user_id and user_days.day = ai_requests_by_day.day
    left join last_7_days
        on user_days.user_id = last_7_days.user_id and user_days.day = last_7_days.day
    left join login_days
        on user_days.user_id = login_days.user_id and user_days.day = login_days.day
    left join accounts
        on user_days.user_id = accounts.user_id and user_days.day = accounts.day
    left join logins_before on user_days.user_id = logins_before.user_id
    left join accounts_before on user_days.user_id = accounts_before.user_id
    left join subscriptions
        on
            user_days.user_id = subscriptions.user_id
            and subscriptions.valid_from < {{ end_of_day('user_days.day') }}
            and subscriptions.valid_to >= {{ end_of_day('user_days.day') }}
    window so_far as (partition by user_days.user_id order by user_days.day)

)

select
    -- keys
    user_id,
    day,
    user_key,

    -- as of the day's end
    subscription_tier,
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
from measured
