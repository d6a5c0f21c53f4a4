select
    request_type,
    sum(requests) as requests,
    round(sum(cost), 2) as cost,
    round(1000 * sum(cost) / nullif(sum(tokens), 0), 4) as cost_per_1000_tokens,
    round((sum(processing_seconds) / nullif(sum(timed_requests), 0))::numeric, 1) as seconds_per_request,
    round((sum(quality_score_sum) / nullif(sum(rated_generations), 0))::numeric, 2) as quality
from {{ ref('ai_efficiency') }}
group by request_type
order by cost desc
