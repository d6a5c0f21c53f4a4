-- AI: requests, what they cost, how fast and how good they were.

-- What was used before the day of the request was not used by it.
create table usage_of_request as
select
    logs.request_id,
    sum(logs.tokens_used)::bigint as tokens,
    sum(logs.cost) as cost
from app.ai_usage_logs as logs
join ai_requests as requests on logs.request_id = requests.id and day_of(logs.timestamp) >= day_of(requests.created_at)
group by logs.request_id;

create table quality_of_request as
select
    ai_request_id as request_id,
    count(quality_score) as rated_generations,
    sum(quality_score) as quality_score_sum
from app.content_generations
group by ai_request_id;

-- Waiting is not part of it; an end before the beginning is no time at all.
create table timed_requests as
select
    *,
    day_of(created_at) as day,
    if(
        status = 'completed' and completed_at >= started_at,
        (epoch_us(completed_at) - epoch_us(started_at)) / 1e6,
        null
    ) as processing_seconds
from ai_requests;

create table fact_ai_requests as
select
    requests.id as request_id,
    requests.day,
    requests.user_id,
    users.valid_from as user_valid_from,
    ifnull(users.subscription_tier, 'unknown') as subscription_tier,
    requests.request_type,
    requests.platform,
    requests.status,
    requests.created_at,
    requests.started_at,
    requests.completed_at,
    day_of(local_time(requests.created_at, ifnull(users.timezone, 'UTC'))) as local_day,
    requests.processing_seconds,
    usages.tokens,
    usages.cost,
    quality.quality_score_sum / nullif(quality.rated_generations, 0) as quality_score,
    quotient(usages.cost, usages.tokens) as cost_per_token,
    quotient(usages.tokens, requests.processing_seconds) as processing_speed,
    quotient(quality.quality_score_sum / nullif(quality.rated_generations, 0), usages.cost) as efficiency_score
from timed_requests as requests
left join usage_of_request as usages on requests.id = usages.request_id
left join quality_of_request as quality on requests.id = quality.request_id
left join
    dim_user as users
    on
        requests.user_id = users.user_id
        and users.valid_from <= requests.created_at
        and requests.created_at < users.ends_at;

create table fact_ai_daily as
with told as (
    select
        requests.user_id,
        requests.request_type,
        requests.day,
        1 as requests,
        requests.status,
        requests.processing_seconds,
        ifnull(quality.rated_generations, 0) as rated_generations,
        ifnull(quality.quality_score_sum, 0) as quality_score_sum,
        0 as tokens,
        0::decimal(18, 6) as cost
    from timed_requests as requests
    left join quality_of_request as quality on requests.id = quality.request_id
    union all
    select
        logs.user_id,
        ifnull(requests.request_type, 'unknown'),
        day_of(logs.timestamp),
        0,
        null,
        null,
        0,
        0,
        logs.tokens_used,
        logs.cost
    from app.ai_usage_logs as logs
    left join ai_requests as requests on logs.request_id = requests.id
),

summed as (
    select
        user_id,
        request_type,
        day,
        sum(requests) as requests,
        count(*) filter (where status = 'completed') as completed_requests,
        count(*) filter (where status = 'failed') as failed_requests,
        count(processing_seconds) as timed_requests,
        ifnull(sum(processing_seconds), 0) as processing_seconds,
        sum(rated_generations) as rated_generations,
        sum(quality_score_sum) as quality_score_sum,
        sum(tokens) as tokens,
        sum(cost) as cost
    from told
    group by all
)

select
    summed.*,
    users.valid_from as user_valid_from,
    ifnull(users.subscription_tier, 'unknown') as subscription_tier,
    quotient(summed.cost, summed.tokens) as cost_per_token,
    quotient(summed.tokens, summed.processing_seconds) as processing_speed,
    quotient(summed.quality_score_sum, summed.rated_generations) as avg_quality_score,
    if(summed.rated_generations > 0, quotient(summed.quality_score_sum, summed.cost), null) as efficiency_score
from summed
left join
    dim_user as users
    on
        summed.user_id = users.user_id
        and users.valid_from < day_end(summed.day)
        and users.ends_at >= day_end(summed.day);
