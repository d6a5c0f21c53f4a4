{{ config(
    indexes=[
        {'columns': ['account_id', 'valid_from'], 'unique': true},
        {'columns': ['user_id']},
    ]
) }}

with latest as (

    select * from {{ ref('stg_app__social_media_accounts') }}

),

versions as (

    select * from {{ ref('stg_app__social_media_accounts_versions') }}

),

steps as (

    select
        account_id,
        user_id,
        platform,
        handle,
        updated_at,
        lag(user_id) over by_account as previous_user_id,
        lag(handle) over by_account as previous_handle,
        row_number() over by_account as step
    from versions
    window by_account as (partition by account_id order by updated_at)

),

intervals as (

    select
        steps.account_id,
        steps.user_id,
        steps.platform,
        steps.handle,
        latest.connected_at,
        case when steps.step = 1 then latest.connected_at else steps.updated_at end as valid_from
    from steps
    inner join latest on steps.account_id = latest.account_id
    where
        steps.step = 1
        or steps.user_id is distinct from steps.previous_user_id
        or steps.handle is distinct from steps.previous_handle

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
    connected_at
from closed
