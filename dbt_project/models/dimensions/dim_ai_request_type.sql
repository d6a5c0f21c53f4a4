select
    request_type::text as request_type,
    request_type_name::text as request_type_name,
    request_type_order::integer as request_type_order,
    true as is_known
from {{ ref('ai_request_types') }}

union all

select
    {{ unknown_key() }} as request_type,
    'Unknown' as request_type_name,
    0 as request_type_order,
    false as is_known
