with source as (

    select * from {{ source('app', 'experiments') }}

),

newest as (

    select distinct on (id) *
    from source
    order by id asc, updated_at desc, source asc

),

renamed as (

    select
        -- ids
        id as experiment_id,

        -- attributes
        key as experiment_key,
        name,
        metric,
        status,

        -- times
        started_at,
        ended_at,
        updated_at,

        -- landing
        day,
        source
    from newest
    where deleted_at is null

)

select * from renamed
