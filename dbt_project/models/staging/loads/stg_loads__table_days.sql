with source as (

    select * from {{ source('loads', 'table_days') }}

),

renamed as (

    select
        -- ids
        table_name,
        day,

        -- numbers
        rows_loaded,

        -- times
        loaded_at,
        touched_at
    from source

)

select * from renamed
