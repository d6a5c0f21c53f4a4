select
    period_start as week,
    active_users,
    new_active_users,
    is_complete
from {{ ref('active_users') }}
where period_type = 'week'
order by period_start
