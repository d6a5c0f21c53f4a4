select
    step_number,
    step,
    sum(users) as users,
    round(sum(users)::numeric / first_value(sum(users)) over (order by step_number), 2) as share_of_signed_up
from {{ ref('activation_funnel') }}
group by step_number, step
order by step_number
