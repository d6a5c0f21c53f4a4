with source as (

    select * from {{ source('app', 'experiments') }}

),

renamed as (

    select distinct on (id)
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
    from source
    order by id asc, updated_at desc, source asc

)

select * from renamed
