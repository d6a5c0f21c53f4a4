{{ config(
    indexes=[
        {'columns': ['account_id', 'valid_from'], 'unique': true},
        {'columns': ['user_id']},
    ]
) }}

with versions as (

    select * from {{ ref('stg_app__social_media_accounts_versions') }}

),

latest as (

    select distinct on (account_id) *
    from versions
    order by account_id asc, updated_at desc

),

states as (

    select
        versions.account_id,
        versions.user_id,
        versions.platform,
        versions.handle,
        versions.deleted_at is not null as is_deleted,
        versions.updated_at,
        latest.connected_at,
        row_number() over by_account as step
    from versions
    inner join latest on versions.account_id = latest.account_id
    window by_account as (partition by versions.account_id order by versions.updated_at)

),

steps as (

    select
        *,
        -- A version of before the connection tells what holds from it on.
        case when step = 1 then connected_at else greatest(updated_at, connected_at) end as observed_at
    from states

),

observations as (

    select distinct on (account_id, observed_at) *
    from steps
    order by account_id asc, observed_at asc, updated_at desc

),

changes as (

    select
        *,
        lag(user_id) over by_account as previous_user_id,
        lag(handle) over by_account as previous_handle,
        lag(is_deleted) over by_account as previous_is_deleted,
        row_number() over by_account as change
    from observations
    window by_account as (partition by account_id order by observed_at)

),

intervals as (

    select
        account_id,
        user_id,
        platform,
        handle,
        is_deleted,
        connected_at,
        observed_at as valid_from
    from changes
    where
        change = 1
        or user_id is distinct from previous_user_id
        or handle is distinct from previous_handle
        or is_deleted is distinct from previous_is_deleted

),

closed as (

    select
        *,
        lead(valid_from) over (partition by account_id order by valid_from) as valid_to
    from intervals

)

select
    -- keys
    {{ version_key('account_id', 'valid_from') }} as account_key,
    account_id,
    platform,

    -- history
    user_id,
    handle,
    valid_from,
    valid_to,
    valid_to is null as is_current,

    -- as it is now
    connected_at,
    true as is_known
from closed
-- A deleted account's history ends with the deletion.
where not is_deleted

union all

select
    -- keys
    {{ unknown_key() }} as account_key,
    {{ unknown_id() }} as account_id,
    {{ unknown_key() }} as platform,

    -- history
    {{ unknown_id() }} as user_id,
    null as handle,
    {{ unknown_moment() }} as valid_from,
    null as valid_to,
    false as is_current,

    -- as it is now
    {{ unknown_moment() }} as connected_at,
    false as is_known
