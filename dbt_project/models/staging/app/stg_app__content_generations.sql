with source as (

    select * from {{ source('app', 'content_generations') }}

),

renamed as (

    select
        -- ids
        id as generation_id,
        ai_request_id as request_id,
        post_id,

        -- numbers
        quality_score,

        -- times
        created_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
