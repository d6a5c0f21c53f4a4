select
    week_number,
    sum(cohort_size) as signed_up,
    sum(active_users) as came_back,
    round(sum(active_users)::numeric / sum(cohort_size), 2) as retention_rate
from {{ ref('cohort_retention') }}
where is_complete
group by week_number
order by week_number
