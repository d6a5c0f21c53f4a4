-- Marts about users: who was active, who stayed, how far they came, what they pay, and what experiments did.

create table periods as
select
    'day' as period_type,
    day as period_start,
    1 as days_in_period,
    day
from days
union all
select
    'week',
    date_trunc('week', day)::date,
    7,
    day
from days
union all
select
    'month',
    date_trunc('month', day)::date,
    date_part('day', last_day(day))::bigint,
    day
from days;

create table trailing_users as
select
    days.day,
    count(distinct sessions.user_id) filter (where sessions.day > days.day - 7) as active_users_7d,
    count(distinct sessions.user_id) as active_users_30d
from days
left join fact_sessions as sessions on sessions.day between days.day - 29 and days.day
group by days.day;

create table active_users as
select
    periods.period_type || ' ' || periods.period_start as period_key,
    periods.period_type,
    periods.period_start,
    count(distinct sessions.user_id) as active_users,
    count(distinct sessions.user_id) filter (
        where
        case periods.period_type
            when 'day' then day_of(members.joined_at)
            else date_trunc(periods.period_type, members.joined_at)::date
        end = periods.period_start
    ) as new_active_users,
    any_value(trailing_users.active_users_7d) as active_users_7d,
    any_value(trailing_users.active_users_30d) as active_users_30d,
    quotient(count(distinct sessions.user_id), any_value(trailing_users.active_users_30d)) as stickiness,
    any_value(periods.days_in_period) as days_in_period,
    count(distinct periods.day) as days_loaded,
    if(
        periods.period_type = 'day', least(30, any_value(periods.day) - (select first_day from span) + 1), null
    ) as trailing_days_loaded,
    count(distinct periods.day) = any_value(periods.days_in_period) as is_complete,
    false as is_sessions_missing
from periods
left join fact_sessions as sessions on periods.day = sessions.day
left join members on sessions.user_id = members.user_id
left join trailing_users on periods.period_type = 'day' and periods.day = trailing_users.day
group by periods.period_type, periods.period_start;

create table cohort_retention as
with cohorts as (
    select
        user_id,
        date_trunc('week', joined_at)::date as cohort_week
    from members
),

weeks as (
    select
        cohort_week,
        week_number,
        cohort_week + (7 * week_number)::integer as week_start,
        count(*) as cohort_size
    from cohorts
    cross join range(27) as weeks (week_number)
    group by all
)

select
    weeks.cohort_week,
    weeks.week_number,
    weeks.week_start,
    weeks.cohort_size,
    count(distinct sessions.user_id) as active_users,
    count(distinct sessions.user_id) / weeks.cohort_size as retention_rate,
    weeks.week_start >= (select first_day from span)
    and weeks.week_start + 6 <= (select last_day from span) as is_complete
from weeks
join cohorts using (cohort_week)
left join
    fact_sessions as sessions
    on cohorts.user_id = sessions.user_id and sessions.day between weeks.week_start and weeks.week_start + 6
where
    weeks.week_start <= (select last_day from span)
    and weeks.week_start >= date_trunc('week', (select first_day from span))
group by weeks.cohort_week, weeks.week_number, weeks.week_start, weeks.cohort_size;

-- The first moment of each step, whatever the order.
create table steps_done as
select
    members.user_id,
    [
        members.joined_at,
        (
            select min(latest.connected_at)
            from app.social_media_accounts as held
            join
                (
                    from app.social_media_accounts
                    qualify row_number() over (partition by id order by updated_at desc) = 1
                ) as latest
                on held.id = latest.id
            where held.user_id = members.user_id
        ),
        (select min(posts.created_at) from posts where posts.user_id = members.user_id),
        (select min(published.published_time) from published where published.user_id = members.user_id),
        (
            select min(metrics.collected_at)
            from published
            join answers_of_published as metrics on published.id = metrics.post_id
            where
                published.user_id = members.user_id
                and engagement_total(metrics.likes_count, metrics.comments_count, metrics.shares_count) > 0
        ),
        (
            select min(events.occurred_at)
            from app.subscription_events as events
            where events.user_id = members.user_id and events.mrr > 0
        )
    ] as done_at
from members;

-- A step is reached once it and all before it were done.
create table steps_reached as
select
    user_id,
    date_trunc('week', done_at[1])::date as sign_up_week,
    list_transform(
        range(1, 7), lambda step: if(len(list_filter(done_at[:step], lambda moment: moment is null)) > 0, null, list_max(done_at[:step]))
    ) as reached_at
from steps_done;

create table activation_funnel as
select
    sign_up_week,
    step as step_number,
    ['signed_up', 'connected_account', 'created_post', 'published', 'got_engagement', 'paid'][step] as step,
    count(reached_at[step]) as users,
    quotient(count(reached_at[step]), count(*)) as share_of_signed_up,
    if(step = 1, null, quotient(count(reached_at[step]), count(reached_at[step - 1]))) as share_of_previous,
    if(
        step = 1, null, quantile_cont(epoch_us(reached_at[step]) - epoch_us(reached_at[step - 1]), 0.5) / 3600e6
    ) as median_hours_from_previous,
    if(
        step = 1, null, quantile_cont(epoch_us(reached_at[step]) - epoch_us(reached_at[step - 1]), 0.9) / 3600e6
    ) as p90_hours_from_previous,
    sign_up_week >= (select first_day from span) and sign_up_week + 6 <= (select last_day from span) as is_complete
from steps_reached
cross join range(1, 7) as steps (step)
group by sign_up_week, steps.step;

create table movements as
select
    day_of(begins_at) as day,
    user_id,
    mrr_movement(mrr_before, mrr, has_paid_before) as mrr_movement,
    mrr - mrr_before as mrr_change
from revenue;

create table mrr_movements as
with closings as (
    select
        days.day,
        ifnull(sum(facts.mrr), 0) as closing_mrr
    from days
    left join fact_users_daily as facts on days.day = facts.day
    group by days.day
)

select
    days.day,
    closings.closing_mrr - ifnull(sum(movements.mrr_change), 0) as opening_mrr,
    ifnull(sum(movements.mrr_change) filter (where mrr_movement = 'new'), 0) as new_mrr,
    ifnull(sum(movements.mrr_change) filter (where mrr_movement = 'expansion'), 0) as expansion_mrr,
    ifnull(sum(movements.mrr_change) filter (where mrr_movement = 'contraction'), 0) as contraction_mrr,
    ifnull(sum(movements.mrr_change) filter (where mrr_movement = 'churned'), 0) as churned_mrr,
    ifnull(sum(movements.mrr_change) filter (where mrr_movement = 'reactivated'), 0) as reactivated_mrr,
    closings.closing_mrr,
    count(distinct movements.user_id) filter (where mrr_movement = 'new') as new_users,
    count(distinct movements.user_id) filter (where mrr_movement = 'expansion') as expansion_users,
    count(distinct movements.user_id) filter (where mrr_movement = 'contraction') as contraction_users,
    count(distinct movements.user_id) filter (where mrr_movement = 'churned') as churned_users,
    count(distinct movements.user_id) filter (where mrr_movement = 'reactivated') as reactivated_users,
    false as is_subscriptions_missing
from days
join closings using (day)
left join movements using (day)
group by days.day, closings.closing_mrr;

create table participants as
select
    assignments.experiment_id,
    assignments.user_id,
    first(assignments.variant order by assignments.assigned_at, assignments.id) as variant,
    min(assignments.assigned_at) as measured_from,
    ifnull(any_value(experiments.ended_at), 'infinity') as measured_to,
    count(distinct assignments.variant) > 1 as is_in_several_variants,
    any_value(experiments.metric) as metric
from app.experiment_assignments as assignments
left join experiments on assignments.experiment_id = experiments.id
group by assignments.experiment_id, assignments.user_id;

create table outcomes as
select
    *,
    case metric
        when 'sessions' then (
            select count(*)
            from fact_sessions as sessions
            where
                sessions.user_id = participants.user_id
                and sessions.started_at >= measured_from
                and sessions.started_at < measured_to
        )
        when 'engagement_score' then (
            select avg(published.mature_engagement_score)
            from published
            where
                published.user_id = participants.user_id
                and published.published_time >= measured_from
                and published.published_time < measured_to
        )
        when 'activation' then (
            select
                case
                    when greatest(done_at[1], done_at[2], done_at[4]) < measured_from
                        and done_at[2] is not null and done_at[4] is not null then null
                    when done_at[2] is null or done_at[4] is null then 0
                    when greatest(done_at[1], done_at[2], done_at[4]) < measured_to then 1
                    else 0
                end
            from steps_done
            where steps_done.user_id = participants.user_id
        )
    end as found
from participants;

create table posts_in_experiments as
select
    participants.experiment_id,
    participants.user_id,
    published.platform,
    ln(1 + published.mature_engagement_score) as log_score,
    ln(1 + coalesce(
        (
            select last(days.followers order by days.day)
            from fact_social_daily as days
            where
                days.user_id = participants.user_id
                and days.account_id = published.account_id
                and days.followers is not null
                and days.day >= day_of(participants.measured_from) - 28
                and days.observed_at < participants.measured_from
        ),
        (
            select first(days.followers order by days.day)
            from fact_social_daily as days
            where
                days.user_id = participants.user_id
                and days.account_id = published.account_id
                and days.followers is not null
                and days.observed_at >= participants.measured_from
                and days.observed_at < participants.measured_to
        )
    )) as log_followers
from participants
join published on participants.user_id = published.user_id
where
    participants.metric = 'engagement_score'
    and published.mature_engagement_score is not null
    and published.published_time >= participants.measured_from
    and published.published_time < participants.measured_to;

create table usual_in_experiments as
select
    experiment_id,
    platform,
    avg(log_score) as log_score,
    avg(log_followers) as log_followers,
    covar_pop(log_score, log_followers) as together,
    var_pop(log_followers) as spread
from posts_in_experiments
group by experiment_id, platform;

-- A user's value is kept to the millionth.
create table experiment_results as
with measured as (
    select
        *,
        if(measured_from >= measured_to, null, round(found, 6)) as value,
        case metric when 'activation' then 'share' when 'sessions' then 'mean' when 'engagement_score' then 'mean' end
            as metric_type,
        case metric when 'activation' then 'linear' when 'sessions' then 'linear' when 'engagement_score' then 'log' end
            as scale,
        if(
            metric = 'engagement_score',
            (
                select
                    avg(
                        posts.log_score - usual.log_score
                        - if(
                            usual.spread > 0 and posts.log_followers is not null,
                            usual.together / usual.spread * (posts.log_followers - usual.log_followers),
                            0
                        )
                    )
                from posts_in_experiments as posts
                join usual_in_experiments as usual using (experiment_id, platform)
                where posts.experiment_id = outcomes.experiment_id and posts.user_id = outcomes.user_id
            ),
            if(measured_from >= measured_to, null, found)
        )::decimal(20, 6) as compared
    from outcomes
)

select
    measured.experiment_id,
    measured.variant,
    experiments.key as experiment_key,
    experiments.name as experiment_name,
    experiments.status,
    experiments.started_at,
    experiments.ended_at,
    experiments.metric,
    measured.metric_type,
    measured.scale,
    if(measured.scale is null, null, 'higher') as better_when,
    count(*) as users,
    count(*) filter (where measured.is_in_several_variants) as users_in_several_variants,
    count(measured.value) as measured_users,
    if(measured.metric_type = 'share', count(*) filter (where measured.value = 1), null) as conversions,
    sum(measured.value)::double as value_sum,
    sum(measured.value * measured.value)::double as value_square_sum,
    avg(measured.value)::double as mean,
    var_samp(measured.value) as variance,
    sum(measured.compared)::double / count(measured.compared) as compared_mean,
    var_samp(measured.compared) as compared_variance
from measured
left join experiments on measured.experiment_id = experiments.id
group by
    measured.experiment_id,
    measured.variant,
    experiments.key,
    experiments.name,
    experiments.status,
    experiments.started_at,
    experiments.ended_at,
    experiments.metric,
    measured.metric_type,
    measured.scale;
