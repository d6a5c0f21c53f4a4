with source as (

    select * from {{ source('app', 'post_metrics') }}

),

renamed as (

    select
        -- ids
        id as post_metric_id,
        post_id,

        -- numbers
        likes_count as likes,
        comments_count as comments,
        shares_count as shares,
        clicks_count as clicks,
        reach,
        impressions,

        -- times
        collected_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
