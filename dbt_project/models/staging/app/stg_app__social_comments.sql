with source as (

    select * from {{ source('app', 'social_comments') }}

),

renamed as (

    select
        -- ids
        id as comment_id,
        account_id,
        post_id,

        -- attributes
        content,

        -- times
        created_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
