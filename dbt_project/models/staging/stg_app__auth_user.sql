with source as (

    select * from {{ source('app', 'auth_user') }}

),

newest as (

    select distinct on (id) *
    from source
    order by id asc, updated_at desc, source asc

),

renamed as (

    select
        -- ids
        id as user_id,

        -- attributes
        email,
        full_name,
        subscription_tier,
        is_active,
        timezone,
        country,

        -- times
        date_joined as joined_at,
        last_login as last_login_at,
        updated_at,

        -- landing
        day,
        source
    from newest
    where deleted_at is null

)

select * from renamed
