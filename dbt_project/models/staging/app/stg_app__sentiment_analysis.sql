with source as (

    select * from {{ source('app', 'sentiment_analysis') }}

),

renamed as (

    select
        -- ids
        id as sentiment_id,
        comment_id,

        -- attributes
        sentiment,

        -- numbers
        score as sentiment_score,

        -- times
        created_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
