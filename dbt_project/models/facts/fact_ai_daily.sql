{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    indexes=[
        {'columns': ['user_id', 'day']},
        {'columns': ['request_type', 'day']},
    ]
) }}

with requests_by_day as (

    select
        user_id,
        request_type,
        day,
        count(*) as requests,
        count(*) filter (where status = 'completed') as completed_requests,
        count(*) filter (where status = 'failed') as failed_requests,
        count(processing_seconds) as timed_requests,
        sum(processing_seconds) as processing_seconds
    from {{ ref('int_ai_requests') }}
    where {{ in_window_at('created_at') }}
    group by 1, 2, 3

),

usage_by_day as (

    select
        usage_logs.user_id,
        coalesce(requests.request_type, {{ unknown_key() }}) as request_type,
        usage_logs.day,
        sum(usage_logs.tokens)::bigint as tokens,
        sum(usage_logs.cost) as cost
    from {{ ref('stg_app__ai_usage_logs') }} as usage_logs
    left join {{ ref('int_ai_requests') }} as requests on usage_logs.request_id = requests.request_id
    where {{ in_window('usage_logs.day') }}
    group by 1, 2, 3

),

quality_by_day as (

    select
        requests.user_id,
        requests.request_type,
        requests.day,
        count(generations.quality_score) as rated_generations,
        sum(generations.quality_score::numeric) as quality_score_sum
    from {{ ref('stg_app__content_generations') }} as generations
    inner join {{ ref('int_ai_requests') }} as requests
        on
            generations.request_id = requests.request_id
            and generations.day >= requests.day
    where
        generations.day >= {{ window_start() }}
        and {{ in_window_at('requests.created_at') }}
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

),

users as (

    select * from {{ ref('dim_user') }}
    where is_known

)

select
    -- keys
    joined.user_id,
    joined.request_type,
    joined.day,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,
    coalesce(users.subscription_tier, {{ unknown_key() }}) as subscription_tier,

    -- requests asked on the day
    joined.requests,
    joined.completed_requests,
    joined.failed_requests,
    joined.timed_requests,
    joined.processing_seconds,
    joined.rated_generations,
    joined.quality_score_sum,

    -- consumed on the day
    joined.tokens,
    joined.cost,

    -- quotients
    {{ ratio('joined.cost', 'joined.tokens') }} as cost_per_token,
    {{ ratio('joined.tokens', 'joined.processing_seconds') }} as processing_speed,
    {{ ratio('joined.quality_score_sum', 'joined.rated_generations') }} as avg_quality_score,
    case
        when joined.rated_generations > 0 then {{ ratio('joined.quality_score_sum', 'joined.cost') }}
    end as efficiency_score
from joined
left join users
    on
        joined.user_id = users.user_id
        and {{ held_at_end_of('users', 'joined.day') }}
