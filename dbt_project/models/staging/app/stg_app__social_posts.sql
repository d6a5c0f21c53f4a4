with source as (

    select * from {{ source('app', 'social_posts') }}

),

newest as (

    select distinct on (id) *
    from source
    order by id asc, updated_at desc, source asc

),

renamed as (

    select
        -- ids
        id as post_id,
        user_id,
        account_id,

        -- attributes
        platform,
        content,
        hashtags,
        media_type,
        status,
        ai_generated,

        -- times
        scheduled_time as scheduled_at,
        published_time as published_at,
        created_at,
        updated_at,
        deleted_at,

        -- landing
        day,
        source
    from newest

)

select * from renamed
