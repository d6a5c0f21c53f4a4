-- Users: their history of plan and status, their sessions, and what is known of each at the end of each day.

-- Everything that was ever said of a user's plan or status. A captured version has the last word on its moment.
create table user_statements as
select
    id as user_id,
    updated_at as told_at,
    subscription_tier,
    is_active,
    1 as authority,
    0 as event_id
from app.auth_user
union all
select
    user_id,
    occurred_at,
    ifnull(to_tier, 'free'),
    null,
    0,
    id
from app.subscription_events;

-- As they are now; after a deletion, as they last were. Who has no row yet is known from the subscription events.
create table members as
select
    ids.user_id,
    ifnull(newest.date_joined, events.first_event_at) as joined_at,
    newest.country,
    if(newest.timezone in (select zone from time_zones), newest.timezone, 'UTC') as timezone,
    ifnull(newest.timezone in (select zone from time_zones), false) as is_timezone_known,
    deletions.deleted_at
from (select distinct user_id from user_statements) as ids
left join
    (from app.auth_user qualify row_number() over (partition by id order by updated_at desc) = 1) as newest
    on ids.user_id = newest.id
left join
    (select user_id, min(occurred_at) as first_event_at from app.subscription_events group by user_id) as events
    on ids.user_id = events.user_id
left join app.deletions as deletions on deletions.table_name = 'auth_user' and ids.user_id = deletions.id;

create table dim_user as
with moments as (
    select distinct
        user_id,
        greatest(told_at, joined_at) as moment
    from user_statements
    join members using (user_id)
),

states as (
    select
        moments.user_id,
        moments.moment,
        last(told.subscription_tier order by told.told_at, told.authority, told.event_id) as subscription_tier,
        ifnull(
            last(told.is_active order by told.told_at) filter (where told.is_active is not null), true
        ) as is_active
    from moments
    join user_statements as told on moments.user_id = told.user_id and told.told_at <= moments.moment
    group by all
),

changes as (
    from states
    window by_user as (partition by user_id order by moment)
    qualify
        row_number() over by_user = 1
        or (subscription_tier, is_active) is distinct from lag((subscription_tier, is_active)) over by_user
),

stretches as (
    select
        user_id,
        subscription_tier,
        is_active,
        if(row_number() over by_user = 1, joined_at, moment) as valid_from,
        lead(moment) over by_user as next_from,
        joined_at,
        country,
        timezone,
        is_timezone_known,
        deleted_at
    from changes
    join members using (user_id)
    window by_user as (partition by user_id order by moment)
)

select
    user_id,
    subscription_tier,
    is_active,
    valid_from,
    least(ifnull(next_from, 'infinity'), ifnull(deleted_at, 'infinity')) as ends_at,
    if(ends_at = 'infinity', null, ends_at) as valid_to,
    ends_at = 'infinity' as is_current,
    joined_at,
    country,
    timezone,
    is_timezone_known
from stretches
where deleted_at is null or valid_from < deleted_at;

-- An account is one of its owner's from connection, or from when it was handed over, until it was handed on or deleted.
create table dim_social_account as
with changes as (
    from app.social_media_accounts
    window by_account as (partition by id order by updated_at)
    qualify
        row_number() over by_account = 1
        or (user_id, handle) is distinct from lag((user_id, handle)) over by_account
)

select
    changes.id as account_id,
    changes.user_id,
    changes.platform,
    if(row_number() over by_account = 1, latest.connected_at, changes.updated_at) as valid_from,
    least(
        ifnull(lead(changes.updated_at) over by_account, 'infinity'), ifnull(deletions.deleted_at, 'infinity')
    ) as ends_at
from changes
join
    (from app.social_media_accounts qualify row_number() over (partition by id order by updated_at desc) = 1) as latest
    on changes.id = latest.id
left join
    app.deletions as deletions
    on deletions.table_name = 'social_media_accounts' and changes.id = deletions.id
window by_account as (partition by changes.id order by changes.updated_at);

create table fact_sessions as
select
    sessions.id as session_id,
    day_of(sessions.created_at) as day,
    sessions.user_id,
    held.valid_from as user_valid_from,
    ifnull(held.subscription_tier, 'unknown') as subscription_tier,
    sessions.created_at as started_at,
    day_of(local_time(sessions.created_at, ifnull(held.timezone, 'UTC'))) as local_day,
    hour(local_time(sessions.created_at, ifnull(held.timezone, 'UTC'))) as local_hour,
    sessions.duration as duration_seconds,
    sessions.device
from app.user_sessions as sessions
left join
    dim_user as held
    on
        sessions.user_id = held.user_id
        and held.valid_from <= sessions.created_at
        and sessions.created_at < held.ends_at;

create table login_days as
select
    user_id,
    day_of(created_at) as day
from app.user_sessions
union
select
    id,
    day_of(last_login)
from app.auth_user
where last_login is not null;

-- What a user pays from an event on. The events alone tell it: who is deleted without a cancellation goes on paying.
create table revenue as
select
    id as event_id,
    user_id,
    occurred_at as begins_at,
    lead(occurred_at, 1, 'infinity') over by_user as ends_at,
    mrr,
    lag(mrr, 1, 0) over by_user as mrr_before,
    ifnull(max(mrr) over (by_user rows between unbounded preceding and 1 preceding), 0) > 0 as has_paid_before
from app.subscription_events
window by_user as (partition by user_id order by occurred_at, id);

-- Everyone who is somebody at the day's end.
create table user_days as
select
    days.day,
    users.user_id,
    users.valid_from as user_valid_from,
    users.subscription_tier,
    days.day - day_of(users.joined_at) as user_tenure_days
from days
join dim_user as users on users.valid_from < day_end(days.day) and users.ends_at >= day_end(days.day);

-- And who is nobody, but did something on the day or pays at its end.
insert into user_days
select
    done.day,
    done.user_id,
    null::timestamp,
    'unknown',
    null::bigint
from (
    select user_id, day_of(created_at) as day from app.user_sessions
    union
    select user_id, day_of(created_at) from social_posts
    union
    select user_id, day_of(published_time) from social_posts where status = 'published'
    union
    select user_id, day_of(created_at) from ai_requests
    union
    select revenue.user_id, days.day
    from days
    join revenue on revenue.begins_at < day_end(days.day) and revenue.ends_at >= day_end(days.day)
    where revenue.mrr > 0
) as done
anti join user_days on done.user_id = user_days.user_id and done.day = user_days.day
where done.day in (select day from days);

create table user_day_sessions as
select
    user_days.day,
    user_days.user_id,
    count(*) filter (where sessions.day = user_days.day) as sessions,
    ifnull(sum(sessions.duration_seconds) filter (where sessions.day = user_days.day), 0) as session_seconds,
    count(*) as sessions_7d
from user_days
join
    fact_sessions as sessions
    on user_days.user_id = sessions.user_id and sessions.day between user_days.day - 6 and user_days.day
group by all;

create table user_day_posts as
select
    user_days.day,
    user_days.user_id,
    count(*) filter (where day_of(posts.created_at) = user_days.day) as posts_created,
    count(*) filter (
        where posts.status = 'published' and day_of(posts.published_time) = user_days.day
    ) as posts_published,
    count(*) filter (where day_of(posts.created_at) between user_days.day - 6 and user_days.day) as posts_created_7d
from user_days
join social_posts as posts on user_days.user_id = posts.user_id
group by all;

create table user_day_requests as
select
    user_days.day,
    user_days.user_id,
    count(*) as ai_requests
from user_days
join ai_requests as requests on user_days.user_id = requests.user_id and user_days.day = day_of(requests.created_at)
group by all;

create table user_day_logins as
select
    user_days.day,
    user_days.user_id,
    user_days.day - max(logins.day) as days_since_last_login
from user_days
join login_days as logins on user_days.user_id = logins.user_id and logins.day <= user_days.day
group by user_days.day, user_days.user_id;

create table user_day_accounts as
select
    user_days.day,
    user_days.user_id,
    count(*) as connected_accounts
from user_days
join
    dim_social_account as accounts
    on
        user_days.user_id = accounts.user_id
        and accounts.valid_from < day_end(user_days.day)
        and accounts.ends_at >= day_end(user_days.day)
group by all;

create table user_day_mrr as
select
    user_days.day,
    user_days.user_id,
    revenue.mrr
from user_days
join
    revenue
    on
        user_days.user_id = revenue.user_id
        and revenue.begins_at < day_end(user_days.day)
        and revenue.ends_at >= day_end(user_days.day);

create table fact_users_daily as
select
    user_id,
    day,
    user_valid_from,
    subscription_tier,
    ifnull(mrr, 0) as mrr,
    user_tenure_days,
    days_since_last_login,
    ifnull(connected_accounts, 0) as connected_accounts,
    ifnull(sessions, 0) > 0 as is_active_today,
    ifnull(sessions, 0) as sessions,
    ifnull(session_seconds, 0) as session_seconds,
    ifnull(posts_created, 0) as posts_created,
    ifnull(posts_published, 0) as posts_published,
    ifnull(ai_requests, 0) as ai_requests,
    ifnull(sessions_7d, 0) as sessions_7d,
    ifnull(posts_created_7d, 0) as posts_created_7d,
    user_segment(user_tenure_days, days_since_last_login, ifnull(sessions_7d, 0)) as user_segment,
    churn_risk(
        ifnull(days_since_last_login, user_tenure_days),
        ifnull(sessions_7d, 0),
        ifnull(posts_created_7d, 0),
        ifnull(connected_accounts, 0)
    ) as churn_risk
from user_days
left join user_day_mrr using (user_id, day)
left join user_day_logins using (user_id, day)
left join user_day_accounts using (user_id, day)
left join user_day_sessions using (user_id, day)
left join user_day_posts using (user_id, day)
left join user_day_requests using (user_id, day);
