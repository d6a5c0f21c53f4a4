with source as (

    select * from {{ source('app', 'social_media_accounts') }}

),

renamed as (

    select distinct on (id, updated_at)
        -- ids
        id as account_id,
        user_id,

        -- attributes
        platform,
        handle,

        -- numbers
        followers_count as followers,
        following_count as following,
        posts_count as posts,
        engagement_rate,

        -- times
        connected_at,
        last_sync as last_synced_at,
        updated_at,
        deleted_at,

        -- landing
        day,
        source
    from source
    order by id, updated_at, source

)

select * from renamed
