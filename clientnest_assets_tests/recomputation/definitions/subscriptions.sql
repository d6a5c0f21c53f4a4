-- Subscriptions: what each event did to the monthly recurring revenue.

create table fact_subscription_events as
select
    events.id as subscription_event_id,
    day_of(events.occurred_at) as day,
    events.user_id,
    users.valid_from as user_valid_from,
    events.event as event_type,
    events.from_tier,
    ifnull(events.to_tier, 'free') as to_tier,
    events.occurred_at,
    day_of(local_time(events.occurred_at, ifnull(users.timezone, 'UTC'))) as local_day,
    revenue.mrr_before,
    events.mrr as mrr_after,
    events.mrr - revenue.mrr_before as mrr_change,
    mrr_movement(revenue.mrr_before, events.mrr, revenue.has_paid_before) as mrr_movement
from app.subscription_events as events
join revenue on events.user_id = revenue.user_id and events.id = revenue.event_id
left join
    dim_user as users
    on
        events.user_id = users.user_id
        and users.valid_from <= events.occurred_at
        and events.occurred_at < users.ends_at;
