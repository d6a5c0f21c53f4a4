with source as (

    select * from {{ source('app', 'support_tickets') }}

),

newest as (

    select distinct on (id) *
    from source
    order by id asc, updated_at desc, source asc

),

renamed as (

    select
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
    from newest
    where deleted_at is null

)

select * from renamed
