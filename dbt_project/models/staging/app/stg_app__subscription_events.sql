with source as (

    select * from {{ source('app', 'subscription_events') }}

),

renamed as (

    select
        -- ids
        id as subscription_event_id,
        user_id,

        -- attributes
        event as event_type,
        from_tier,
        to_tier,

        -- numbers
        mrr,

        -- times
        occurred_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
