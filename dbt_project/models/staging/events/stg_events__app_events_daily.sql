with source as (

    select * from {{ source('events', 'app_events_daily') }}

),

renamed as (

    select
        -- ids
        id as user_day_id,
        user_id,

        -- numbers
        events,
        logins,
        feature_uses,
        clicks,
        errors,
        performance_reports,
        sessions,
        features,

        -- times
        first_at,
        last_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
