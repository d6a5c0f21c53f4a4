select
    subscription_tier::text as subscription_tier,
    tier_name::text as tier_name,
    tier_order::integer as tier_order,
    is_paid::boolean as is_paid,
    monthly_ai_tokens::bigint as monthly_ai_tokens,
    true as is_known
from {{ ref('subscription_tiers') }}

union all

select
    {{ unknown_key() }} as subscription_tier,
    'Unknown' as tier_name,
    0 as tier_order,
    false as is_paid,
    null as monthly_ai_tokens,
    false as is_known
