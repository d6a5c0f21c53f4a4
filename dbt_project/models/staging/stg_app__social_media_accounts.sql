with source as (

    select * from {{ source('app', 'social_media_accounts') }}

),

newest as (

    select distinct on (id) *
    from source
    order by id asc, updated_at desc, source asc

),

renamed as (

    select
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

        -- landing
        day,
        source
    from newest
    where deleted_at is null

)

select * from renamed
