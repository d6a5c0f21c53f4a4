with source as (

    select * from {{ source('events', 'app_events_hourly') }}

),

renamed as (

    select
        -- ids
        id as user_hour_id,
        user_id,

        -- numbers
        events,
        logins,
        feature_uses,
        clicks,
        errors,
        performance_reports,
        sessions,

        -- times
        hour,

        -- landing
        day,
        source
    from source

)

select * from renamed
