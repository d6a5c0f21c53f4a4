with assignments as (

    select
        experiment_id,
        user_id,
        variant,
        assigned_at,
        min(variant) over by_user <> max(variant) over by_user as is_in_several_variants,
        row_number() over (by_user order by assigned_at, assignment_id) as place
    from {{ ref('stg_app__experiment_assignments') }}
    window by_user as (partition by experiment_id, user_id)

),

experiments as (

    select * from {{ ref('stg_app__experiments') }}

),

metrics as (

    select * from {{ ref('experiment_metrics') }}

),

activation as (

    select * from {{ ref('int_user_activation') }}

)

select
    -- ids
    assignments.experiment_id,
    assignments.user_id,

    -- the experiment
    experiments.experiment_key,
    experiments.name as experiment_name,
    experiments.status,
    experiments.started_at,
    experiments.ended_at,
    experiments.metric,
    metrics.metric_type,
    metrics.scale,
    metrics.better_when,

    -- the user in it
    assignments.variant,
    assignments.is_in_several_variants,

    -- outcomes count from here, and before there
    assignments.assigned_at as measured_from,
    coalesce(experiments.ended_at, 'infinity') as measured_to,
    case experiments.metric
        when 'activation' then activation.activated_at
        when 'conversion' then activation.paid_at
    end as first_done_at
from assignments
left join experiments on assignments.experiment_id = experiments.experiment_id
left join metrics on experiments.metric = metrics.metric
left join activation on assignments.user_id = activation.user_id
where assignments.place = 1
