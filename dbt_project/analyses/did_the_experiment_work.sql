select
    experiment_key,
    metric,
    variant,
    users,
    measured_users,
    round(mean::numeric, 3) as mean,
    round(sqrt(variance / nullif(measured_users, 0))::numeric, 3) as standard_error
from {{ ref('experiment_results') }}
order by experiment_key, variant
