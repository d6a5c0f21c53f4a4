{{ config(
    meta={'window_column': 'day'},
    indexes=[
        {'columns': ['user_id', 'day']},
    ]
) }}

with requests as (

    select * from {{ ref('stg_app__ai_requests') }}

),

requests_by_day as (

    select
        user_id,
        request_type,
        {{ utc_day('created_at') }} as day,
        count(*) as requests,
        count(*) filter (where status = 'completed') as completed_requests,
        count(*) filter (where status = 'failed') as failed_requests,
        count(*) filter (where status = 'completed' and completed_at >= started_at) as timed_requests,
        sum(extract(epoch from completed_at - started_at)) filter (
            where status = 'completed' and completed_at >= started_at
        ) as processing_seconds
    from requests
    where {{ in_window_at('created_at') }}
    group by 1, 2, 3

),

usage_by_day as (

    select
        usage_logs.user_id,
        coalesce(requests.request_type, 'unknown') as request_type,
        usage_logs.day,
        sum(usage_logs.tokens)::bigint as tokens,
        sum(usage_logs.cost) as cost
    from {{ ref('stg_app__ai_usage_logs') }} as usage_logs
    left join requests on usage_logs.request_id = requests.request_id
    where {{ in_window('usage_logs.day') }}
    group by 1, 2, 3

),

quality_by_day as (

    select
        requests.user_id,
        requests.request_type,
        {{ utc_day('requests.created_at') }} as day,
        count(generations.quality_score) as rated_generations,
        sum(generations.quality_score::numeric) as quality_score_sum
    from {{ ref('stg_app__content_generations') }} as generations
    inner join requests on generations.request_id = requests.request_id
    where {{ in_window_at('requests.created_at') }}
    group by 1, 2, 3

),

joined as (

    select
        user_id,
        request_type,
        day,
        coalesce(requests_by_day.requests, 0)::integer as requests,
        coalesce(requests_by_day.completed_requests, 0)::integer as completed_requests,
        coalesce(requests_by_day.failed_requests, 0)::integer as failed_requests,
        coalesce(requests_by_day.timed_requests, 0)::integer as timed_requests,
        coalesce(requests_by_day.processing_seconds, 0)::double precision as processing_seconds,
        coalesce(usage_by_day.tokens, 0) as tokens,
        coalesce(usage_by_day.cost, 0)::numeric(18, 6) as cost,
        coalesce(quality_by_day.rated_generations, 0)::integer as rated_generations,
        coalesce(quality_by_day.quality_score_sum, 0)::double precision as quality_score_sum
    from requests_by_day
    full outer join usage_by_day using (user_id, request_type, day)
    left join quality_by_day using (user_id, request_type, day)

)

select
    -- keys
    user_id,
    request_type,
    day,

    -- requests asked on the day
    requests,
    completed_requests,
    failed_requests,
    timed_requests,
    processing_seconds,
    rated_generations,
    quality_score_sum,

    -- consumed on the day
    tokens,
    cost,

    -- quotients
    {{ ratio('cost', 'tokens') }} as cost_per_token,
    {{ ratio('tokens', 'processing_seconds') }} as processing_speed,
    {{ ratio('quality_score_sum', 'rated_generations') }} as avg_quality_score,
    case when rated_generations > 0 then {{ ratio('quality_score_sum', 'cost') }} end as efficiency_score
from joined
