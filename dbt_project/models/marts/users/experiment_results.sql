select
    -- keys
    experiment_id,
    variant,

    -- the experiment
    experiment_key,
    experiment_name,
    status,
    started_at,
    ended_at,
    metric,
    metric_type,
    scale,
    better_when,

    -- users
    count(*)::integer as users,
    count(*) filter (where is_in_several_variants)::integer as users_in_several_variants,
    count(value)::integer as measured_users,

    -- what a test is computed from
    case when metric_type = 'share' then count(*) filter (where value = 1)::integer end as conversions,
    sum(value)::numeric(38, 6) as value_sum,
    sum(value * value)::numeric(38, 12) as value_square_sum,
    avg(value)::double precision as mean,
    var_samp(value)::double precision as variance,
    avg(compared_value)::double precision as compared_mean,
    var_samp(compared_value)::double precision as compared_variance
from {{ ref('int_experiment_outcomes') }}
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
