select
    table_name,
    {{ week_start('day') }} as week_start,
    count(*)::integer as days_loaded,
    count(*) = 7 as is_complete
from {{ ref('int_loaded_days') }}
group by 1, 2
