{{ config(
    materialized='table',
    indexes=[
        {'columns': ['request_id'], 'unique': true},
        {'columns': ['created_at']},
    ],
    post_hook="analyze {{ this }}"
) }}

-- A table: the newest version of each request is told once for all windows, and found by the window.
select
    -- ids
    request_id,
    user_id,

    -- attributes
    request_type,
    platform,
    status,

    -- numbers
    case
        when status = 'completed' and completed_at >= started_at
            then extract(epoch from completed_at - started_at)
    end::numeric(18, 6) as processing_seconds,

    -- times
    {{ utc_day('created_at') }} as day,
    created_at,
    started_at,
    completed_at
from {{ ref('stg_app__ai_requests') }}
