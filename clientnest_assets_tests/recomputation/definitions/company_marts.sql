-- Marts about the company: the numbers of a day and of an hour, and what the AI gives for its cost.

create table daily_kpis as
select
    days.day,
    (select count(distinct user_id) from fact_sessions as sessions where sessions.day = days.day) as active_users,
    (select count(*) from fact_users_daily as users where users.day = days.day and users.mrr > 0) as paying_users,
    (select ifnull(sum(users.mrr), 0) from fact_users_daily as users where users.day = days.day) as mrr,
    (select count(*) from fact_posts as posts where posts.published_date = days.day) as total_posts,
    (select avg(posts.engagement_total) from fact_posts as posts where posts.published_date = days.day)
        as avg_engagement,
    (select count(*) from fact_posts as posts where posts.published_date = days.day and posts.ai_generated)
        as ai_generated_posts,
    (select avg(requests.processing_seconds) from timed_requests as requests where requests.day = days.day)
        as avg_ai_processing_time,
    (
        select ifnull(sum(logs.cost), 0)
        from app.ai_usage_logs as logs
        where day_of(logs.timestamp) = days.day
    ) as total_ai_cost,
    false as is_sessions_missing,
    false as is_posts_missing,
    false as is_post_metrics_missing,
    false as is_ai_missing,
    false as is_subscriptions_missing,
    true as is_complete,
    days.day + 29 <= (select last_day from span) as is_final
from days;

create table happenings as
select created_at as moment, 'session' as what, user_id, 0 as tokens, 0::decimal(18, 6) as cost from app.user_sessions
union all
select joined_at, 'sign_up', user_id, 0, 0 from members
union all
select occurred_at, 'subscription', user_id, 0, 0 from app.subscription_events
union all
select created_at, 'ticket', user_id, 0, 0 from support_tickets
union all
select created_at, 'created', user_id, 0, 0 from posts
union all
select published_time, 'published', user_id, 0, 0 from published
union all
select created_at, 'comment', null, 0, 0 from app.social_comments
union all
select created_at, 'request', user_id, 0, 0 from ai_requests
union all
select created_at, 'failure', user_id, 0, 0 from ai_requests where status = 'failed'
union all
select timestamp, 'usage', user_id, tokens_used, cost from app.ai_usage_logs;

create table hourly_metrics as
select
    hours.hour_at,
    day_of(hours.hour_at) as day,
    hour(hours.hour_at) as hour,
    count(distinct user_id) filter (where what = 'session') as active_users,
    count(*) filter (where what = 'session') as sessions,
    count(*) filter (where what = 'sign_up') as sign_ups,
    count(*) filter (where what = 'subscription') as subscription_events,
    count(*) filter (where what = 'ticket') as support_tickets,
    count(*) filter (where what = 'created') as posts_created,
    count(*) filter (where what = 'published') as posts_published,
    count(*) filter (where what = 'comment') as comments,
    count(*) filter (where what = 'request') as ai_requests,
    count(*) filter (where what = 'failure') as ai_failed_requests,
    ifnull(sum(tokens), 0) as ai_tokens,
    ifnull(sum(cost), 0) as ai_cost
from (select day + to_hours(at_hour::integer) as hour_at from days cross join range(24) as hours (at_hour)) as hours
left join happenings on hours.hour_at = date_trunc('hour', happenings.moment)
group by hours.hour_at;

create table ai_efficiency as
select
    day,
    request_type,
    subscription_tier,
    count(distinct user_id) as users,
    sum(requests) as requests,
    sum(completed_requests) as completed_requests,
    sum(failed_requests) as failed_requests,
    sum(timed_requests) as timed_requests,
    sum(processing_seconds) as processing_seconds,
    sum(rated_generations) as rated_generations,
    sum(quality_score_sum) as quality_score_sum,
    sum(tokens) as tokens,
    sum(cost) as cost,
    quotient(sum(processing_seconds), sum(timed_requests)) as avg_processing_seconds,
    quotient(sum(quality_score_sum), sum(rated_generations)) as avg_quality_score,
    quotient(sum(cost), sum(tokens)) as cost_per_token,
    quotient(sum(tokens), sum(processing_seconds)) as processing_speed,
    if(sum(rated_generations) > 0, quotient(sum(quality_score_sum), sum(cost)), null) as efficiency_score
from fact_ai_daily
group by day, request_type, subscription_tier;

create table kpis as
from daily_kpis
select
    day,
    columns(
        '^(active_users|paying_users|mrr|total_posts|avg_engagement|ai_generated_posts|avg_ai_processing_time|total_ai_cost)$'
    );

create table recent as
select
    days.day,
    sum(movements.closing_mrr - movements.opening_mrr) filter (where movements.day > days.day - 7) as net_new_mrr_7d,
    sum(movements.closing_mrr - movements.opening_mrr) as net_new_mrr_28d,
    sum(kpis.total_posts) filter (where kpis.day > days.day - 7) as total_posts_7d,
    sum(kpis.total_posts) as total_posts_28d,
    sum(kpis.ai_generated_posts) filter (where kpis.day > days.day - 7) as ai_generated_posts_7d,
    sum(kpis.ai_generated_posts) as ai_generated_posts_28d,
    sum(kpis.total_ai_cost) filter (where kpis.day > days.day - 7) as total_ai_cost_7d,
    sum(kpis.total_ai_cost) as total_ai_cost_28d,
    count(*) as complete_days_28d
from days
join kpis on kpis.day between days.day - 27 and days.day
join mrr_movements as movements on kpis.day = movements.day
group by days.day;

create table recent_posts as
select
    days.day,
    avg(posts.engagement_total) filter (where posts.published_date > days.day - 7) as avg_engagement_7d,
    avg(posts.engagement_total) as avg_engagement_28d
from days
left join fact_posts as posts on posts.published_date between days.day - 27 and days.day
group by days.day;

create table told_kpis as
from (select day, columns(* exclude (day))::double from kpis)
unpivot include nulls (value for kpi in (columns(* exclude (day))));

create table changes as
pivot (
    select
        told.day,
        told.kpi || '_change_' || before.days || 'd' as name,
        quotient(told.value - past.value, past.value) as change
    from told_kpis as told
    cross join (select unnest([7, 28]) as days) as before
    left join told_kpis as past on told.kpi = past.kpi and told.day - before.days = past.day
)
on name using first(change) group by day;

create table executive_overview as
select
    kpis.*,
    columns(week.* exclude (day)) as '\0_7d_before',
    columns(month.* exclude (day)) as '\0_28d_before',
    changes.* exclude (day),
    trailing_users.active_users_7d,
    trailing_users.active_users_30d,
    movements.closing_mrr - movements.opening_mrr as net_new_mrr,
    recent.* exclude (day),
    recent_posts.* exclude (day),
    true as is_complete,
    kpis.day + 29 <= (select last_day from span) as is_final
from kpis
join changes on kpis.day = changes.day
join trailing_users on kpis.day = trailing_users.day
join mrr_movements as movements on kpis.day = movements.day
join recent on kpis.day = recent.day
join recent_posts on kpis.day = recent_posts.day
left join kpis as week on kpis.day - 7 = week.day
left join kpis as month on kpis.day - 28 = month.day;
