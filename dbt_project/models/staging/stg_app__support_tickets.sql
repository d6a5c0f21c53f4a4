with source as (

    select * from {{ source('app', 'support_tickets') }}

),

renamed as (

    select distinct on (id)
        -- ids
        id as ticket_id,
        user_id,

        -- attributes
        category,
        priority,
        status,

        -- times
        created_at,
        resolved_at,
        updated_at,

        -- landing
        day,
        source
    from source
    order by id asc, updated_at desc, source asc

)

select * from renamed
