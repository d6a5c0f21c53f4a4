with newest as (

    select distinct on (user_id) *
    from {{ ref('stg_app__auth_user_versions') }}
    order by user_id asc, updated_at desc

)

select
    -- ids
    user_id,

    -- attributes
    subscription_tier,
    is_active,
    timezone,
    country,

    -- times
    joined_at,
    last_login_at,
    updated_at
from newest
where deleted_at is null
