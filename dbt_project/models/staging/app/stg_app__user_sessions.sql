with source as (

    select * from {{ source('app', 'user_sessions') }}

),

renamed as (

    select
        -- ids
        id as session_id,
        user_id,

        -- attributes
        device,
        ip_address,

        -- numbers
        duration as duration_seconds,

        -- times
        created_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
