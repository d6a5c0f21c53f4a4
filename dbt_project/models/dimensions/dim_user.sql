{{ config(
    indexes=[
        {'columns': ['user_id', 'valid_from'], 'unique': true},
    ]
) }}

with versions as (

    select * from {{ ref('stg_app__auth_user_versions') }}

),

latest as (

    select distinct on (user_id) *
    from versions
    order by user_id asc, updated_at desc

),

subscription_events as (

    select * from {{ ref('stg_app__subscription_events') }}

),

first_events as (

    select
        user_id,
        min(occurred_at) as first_event_at
    from subscription_events
    group by user_id

),

users as (

    select
        user_id,
        coalesce(latest.joined_at, first_events.first_event_at) as joined_at,
        latest.country,
        latest.timezone
    from latest
    full outer join first_events using (user_id)

),

-- The app keeps a user's latest state only, so a version that it wrote over before it was captured is lost.
-- The subscription events still tell every change of tier; status is told by captured versions alone.
told as (

    select
        user_id,
        updated_at as observed_at,
        subscription_tier,
        is_active,
        deleted_at is not null as is_deleted,
        null as subscription_event_id
    from versions

    union all

    select
        user_id,
        occurred_at as observed_at,
        coalesce(to_tier, 'free') as subscription_tier,
        null as is_active,
        null as is_deleted,
        subscription_event_id
    from subscription_events

),

-- An event says nothing of the status: what the version before it said holds on.
statuses as (

    select
        *,
        count(is_active) over (
            partition by user_id
            order by observed_at asc, subscription_event_id asc nulls last
            rows between unbounded preceding and current row
        ) as versions_so_far
    from told

),

observations as (

    select
        user_id,
        observed_at,
        subscription_event_id,
        subscription_tier,
        -- A login is open from sign-up until a version says otherwise.
        coalesce(bool_or(is_active) over by_version, true) as is_active,
        coalesce(bool_or(is_deleted) over by_version, false) as is_deleted
    from statuses
    window by_version as (partition by user_id, versions_so_far)

),

states as (

    select distinct on (observations.user_id, greatest(observations.observed_at, users.joined_at))
        observations.user_id,
        users.joined_at,
        users.country,
        users.timezone,
        greatest(observations.observed_at, users.joined_at) as observed_at,
        observations.subscription_tier,
        observations.is_active,
        observations.is_deleted
    from observations
    inner join users on observations.user_id = users.user_id
    order by
        observations.user_id asc,
        greatest(observations.observed_at, users.joined_at),
        observations.observed_at desc,
        -- Of one moment a version has the last word, then the later event.
        observations.subscription_event_id desc nulls first

),

steps as (

    select
        *,
        lag(subscription_tier) over by_user as previous_tier,
        lag(is_active) over by_user as previous_is_active,
        lag(is_deleted) over by_user as previous_is_deleted,
        row_number() over by_user as step
    from states
    window by_user as (partition by user_id order by observed_at)

),

intervals as (

    select
        user_id,
        joined_at,
        country,
        timezone,
        subscription_tier,
        is_active,
        is_deleted,
        case when step = 1 then joined_at else observed_at end as valid_from
    from steps
    where
        step = 1
        or subscription_tier is distinct from previous_tier
        or is_active is distinct from previous_is_active
        or is_deleted is distinct from previous_is_deleted

),

closed as (

    select
        *,
        lead(valid_from) over (partition by user_id order by valid_from) as valid_to
    from intervals

),

known_timezones as (

    select name from pg_timezone_names

)

select
    -- keys
    {{ version_key('closed.user_id', 'closed.valid_from') }} as user_key,
    closed.user_id,

    -- history
    closed.subscription_tier,
    closed.is_active,
    closed.valid_from,
    closed.valid_to,
    closed.valid_to is null as is_current,

    -- as they are now
    closed.joined_at,
    closed.country,
    coalesce(known_timezones.name, 'UTC') as timezone,
    known_timezones.name is not null as is_timezone_known,
    true as is_known
from closed
left join known_timezones on closed.timezone = known_timezones.name
-- A deleted user's history ends with the deletion.
where not closed.is_deleted

union all

select
    -- keys
    {{ unknown_key() }} as user_key,
    {{ unknown_id() }} as user_id,

    -- history
    {{ unknown_key() }} as subscription_tier,
    false as is_active,
    {{ unknown_moment() }} as valid_from,
    null as valid_to,
    false as is_current,

    -- as they are now
    {{ unknown_moment() }} as joined_at,
    null as country,
    'UTC' as timezone,
    false as is_timezone_known,
    false as is_known
