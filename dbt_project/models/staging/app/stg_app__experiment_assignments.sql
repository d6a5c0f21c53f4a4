with source as (

    select * from {{ source('app', 'experiment_assignments') }}

),

renamed as (

    select
        -- ids
        id as assignment_id,
        experiment_id,
        user_id,

        -- attributes
        variant,

        -- times
        assigned_at,

        -- landing
        day,
        source
    from source

)

select * from renamed
