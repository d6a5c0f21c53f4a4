with source as (

    select * from {{ source('app', 'ai_requests') }}

),

newest as (

    select distinct on (id) *
    from source
    order by id asc, updated_at desc, source asc

),

renamed as (

    select
        -- ids
        id as request_id,
        user_id,

        -- attributes
        request_type,
        platform,
        status,

        -- times
        created_at,
        started_at,
        completed_at,
        updated_at,

        -- landing
        day,
        source
    from newest
    where deleted_at is null

)

select * from renamed
