with source as (

    select * from {{ source('app', 'ai_usage_logs') }}

),

renamed as (

    select
        -- ids
        id as usage_id,
        request_id,
        user_id,

        -- numbers
        tokens_used as tokens,
        cost,

        -- times
        timestamp as used_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
