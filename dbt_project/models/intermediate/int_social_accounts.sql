with newest as (

    select distinct on (account_id) *
    from {{ ref('stg_app__social_media_accounts_versions') }}
    order by account_id asc, updated_at desc

)

select
    -- ids
    account_id,
    user_id,

    -- attributes
    platform,
    handle,

    -- times
    connected_at,
    updated_at
from newest
where deleted_at is null
