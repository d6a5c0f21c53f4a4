with events as (

    select * from {{ ref('stg_app__subscription_events') }}

),

steps as (

    select
        *,
        lag(mrr, 1, 0::numeric) over by_user as mrr_before,
        coalesce(max(mrr) over (by_user rows between unbounded preceding and 1 preceding), 0) > 0 as has_paid_before,
        lead(occurred_at) over by_user as valid_to
    from events
    window by_user as (partition by user_id order by occurred_at, subscription_event_id)

)

select
    -- ids
    subscription_event_id,
    user_id,

    -- attributes
    event_type,
    from_tier,
    -- A cancelled plan leaves the user on the free one, whether the app says so or not.
    coalesce(to_tier, 'free') as to_tier,
    {{ mrr_movement('mrr_before', 'mrr', 'has_paid_before') }} as mrr_movement,

    -- numbers
    mrr_before::numeric(12, 2) as mrr_before,
    mrr as mrr_after,
    (mrr - mrr_before)::numeric(12, 2) as mrr_change,

    -- times
    day,
    occurred_at,
    occurred_at as valid_from,
    valid_to
from steps
