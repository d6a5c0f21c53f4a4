with source as (

    select * from {{ source('app', 'auth_user') }}

),

renamed as (

    select distinct on (id, updated_at)
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
        deleted_at,

        -- landing
        day,
        source
    from source
    order by id, updated_at, source

)

select * from renamed
