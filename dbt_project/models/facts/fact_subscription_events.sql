{{ config(
    meta={'window_column': 'day', 'looks_back': true, 'looks_ahead_days': 29},
    unique_key='subscription_event_id',
    indexes=[
        {'columns': ['day']},
        {'columns': ['user_id', 'occurred_at']},
    ]
) }}

with changes as (

    select * from {{ ref('int_subscription_changes') }}
    where {{ in_window('day') }}

),

users as (

    select * from {{ ref('dim_user') }}
    where is_known

)

select
    -- keys
    changes.subscription_event_id,
    changes.day,
    changes.user_id,
    coalesce(users.user_key, {{ unknown_key() }}) as user_key,

    -- what
    changes.event_type,
    changes.from_tier,
    changes.to_tier,

    -- when
    changes.occurred_at,
    {{ local_day('changes.occurred_at', "coalesce(users.timezone, 'UTC')") }} as local_day,

    -- revenue
    changes.mrr_before::numeric(12, 2) as mrr_before,
    changes.mrr_after,
    changes.mrr_change,
    changes.mrr_movement
from changes
left join users
    on
        changes.user_id = users.user_id
        and {{ held_at('users', 'changes.occurred_at') }}
