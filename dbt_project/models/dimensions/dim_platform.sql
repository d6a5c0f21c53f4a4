select
    platform::text as platform,
    platform_name::text as platform_name,
    platform_order::integer as platform_order,
    true as is_known
from {{ ref('platforms') }}

union all

select
    {{ unknown_key() }} as platform,
    'Unknown' as platform_name,
    0 as platform_order,
    false as is_known
