{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    unique_key='request_id',
    indexes=[
        {'columns': ['day', 'request_type']},
        {'columns': ['user_id', 'day']},
    ]
) }}

with requests as (

    select * from {{ ref('int_ai_requests') }}
    where {{ in_window_at('created_at') }}

),

usage_by_request as (

    select
        usage_logs.request_id,
        sum(usage_logs.tokens)::bigint as tokens,
        sum(usage_logs.cost)::numeric(18, 6) as cost
    from {{ ref('stg_app__ai_usage_logs') }} as usage_logs
    inner join requests
        on
            usage_logs.request_id = requests.request_id
            and usage_logs.day >= requests.day
    where usage_logs.day >= {{ window_start() }}
    group by usage_logs.request_id

),

quality_by_request as (

    select
        generations.request_id,
        -- In numeric, whose sum does not depend on the order of its parts.
        avg(generations.quality_score::numeric)::double precision as quality_score
    from {{ ref('stg_app__content_generations') }} as generations
    inner join requests
        on
            generations.request_id = requests.request_id
            and generations.day >= requests.day
    where generations.day >= {{ window_start() }}
    group by generations.request_id

),

users as (

    select * from {{ ref('dim_user') }}
    where is_known

)

select
    -- keys
    requests.request_id,
    requests.day,
    requests.user_id,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,
    coalesce(users.subscription_tier, {{ unknown_key() }}) as subscription_tier,
    requests.request_type,
    requests.platform,
    requests.status,

    -- when
    requests.created_at,
    requests.started_at,
    requests.completed_at,
    {{ local_day('requests.created_at', "coalesce(users.timezone, 'UTC')") }} as local_day,

    -- what it took and gave
    requests.processing_seconds::double precision as processing_seconds,
    usage_by_request.tokens,
    usage_by_request.cost,
    quality_by_request.quality_score,

    -- quotients
    {{ ratio('usage_by_request.cost', 'usage_by_request.tokens') }} as cost_per_token,
    {{ ratio('usage_by_request.tokens', 'requests.processing_seconds') }} as processing_speed,
    {{ ratio('quality_by_request.quality_score', 'usage_by_request.cost') }} as efficiency_score
from requests
left join usage_by_request on requests.request_id = usage_by_request.request_id
left join quality_by_request on requests.request_id = quality_by_request.request_id
left join users
    on
        requests.user_id = users.user_id
        and {{ held_at('users', 'requests.created_at') }}
