{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    full_refresh=false,
    on_schema_change='fail',
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29}
) }}

with ai_daily as (

    select * from {{ ref('fact_ai_daily') }}
    where {{ in_window('day') }}

),

-- Summed in numeric, which does not depend on the order of rows.
summed as (

    select
        day,
        request_type,
        subscription_tier,
        count(distinct user_id) as users,
        sum(requests) as requests,
        sum(completed_requests) as completed_requests,
        sum(failed_requests) as failed_requests,
        sum(timed_requests) as timed_requests,
        sum(processing_seconds::numeric) as processing_seconds,
        sum(rated_generations) as rated_generations,
        sum(quality_score_sum::numeric) as quality_score_sum,
        sum(tokens) as tokens,
        sum(cost) as cost
    from ai_daily
    group by 1, 2, 3

)

select
    -- keys
    day,
    request_type,
    subscription_tier,

    -- requests asked on the day
    users::integer as users,
    requests::integer as requests,
    completed_requests::integer as completed_requests,
    failed_requests::integer as failed_requests,
    timed_requests::integer as timed_requests,
    processing_seconds::double precision as processing_seconds,
    rated_generations::integer as rated_generations,
    quality_score_sum::double precision as quality_score_sum,

    -- consumed on the day
    tokens::bigint as tokens,
    cost::numeric(18, 6) as cost,

    -- quotients of the sums
    {{ ratio('processing_seconds', 'timed_requests') }} as avg_processing_seconds,
    {{ ratio('quality_score_sum', 'rated_generations') }} as avg_quality_score,
    {{ ratio('cost', 'tokens') }} as cost_per_token,
    {{ ratio('tokens', 'processing_seconds') }} as processing_speed,
    case when rated_generations > 0 then {{ ratio('quality_score_sum', 'cost') }} end as efficiency_score
from summed
