with source as (

    select * from {{ source('app', 'account_metrics') }}

),

renamed as (

    select
        -- ids
        id as account_metric_id,
        account_id,

        -- numbers
        followers_count as followers,
        following_count as following,
        posts_count as posts,
        engagement_rate,

        -- times
        collected_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
