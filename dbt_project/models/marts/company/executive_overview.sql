{%- set kpis = [
    'active_users', 'paying_users', 'mrr', 'total_posts', 'avg_engagement', 'ai_generated_posts',
    'avg_ai_processing_time', 'total_ai_cost',
] -%}

with kpis as (

    select * from {{ ref('daily_kpis') }}

),

active_users as (

    select * from {{ ref('active_users') }}
    where period_type = 'day'

),

mrr as (

    select
        day,
        new_mrr + expansion_mrr + contraction_mrr + churned_mrr + reactivated_mrr as net_new_mrr
    from {{ ref('mrr_movements') }}

),

engagement as (

    select
        day,
        sum(engagement_total) as engagement_total,
        sum(observed_posts) as observed_posts
    from {{ ref('platform_performance') }}
    group by day

),

-- Only what adds up over days is summed here.
trailing_days as (

    select
        kpis.day,
        {% for days in [7, 28] -%}
            sum(mrr.net_new_mrr) over last_{{ days }}_days as net_new_mrr_{{ days }}d,
            sum(kpis.total_posts) over last_{{ days }}_days as total_posts_{{ days }}d,
            sum(kpis.ai_generated_posts) over last_{{ days }}_days as ai_generated_posts_{{ days }}d,
            sum(kpis.total_ai_cost) over last_{{ days }}_days as total_ai_cost_{{ days }}d,
            sum(engagement.engagement_total) over last_{{ days }}_days as engagement_total_{{ days }}d,
            sum(engagement.observed_posts) over last_{{ days }}_days as observed_posts_{{ days }}d,
        {% endfor -%}
        count(*) filter (where kpis.is_complete) over last_28_days as complete_days_28d
    from kpis
    left join mrr on kpis.day = mrr.day
    left join engagement on kpis.day = engagement.day
    window
        last_7_days as (order by kpis.day range between interval '6 days' preceding and current row),
        last_28_days as (order by kpis.day range between interval '27 days' preceding and current row)

)

select
    -- key
    kpis.day,

    -- each KPI beside itself a week and four weeks before, and by which share of that it changed
    {% for kpi in kpis -%}
        kpis.{{ kpi }},
        week_before.{{ kpi }} as {{ kpi }}_7d_before,
        four_weeks_before.{{ kpi }} as {{ kpi }}_28d_before,
        {{ ratio('kpis.' ~ kpi ~ ' - week_before.' ~ kpi, 'week_before.' ~ kpi) }} as {{ kpi }}_change_7d,
        {{ ratio('kpis.' ~ kpi ~ ' - four_weeks_before.' ~ kpi, 'four_weeks_before.' ~ kpi) }}
            as {{ kpi }}_change_28d,
    {% endfor %}
    -- over the days that end with the day
    active_users.active_users_7d,
    active_users.active_users_30d,
    mrr.net_new_mrr::numeric(18, 2) as net_new_mrr,
    {% for days in [7, 28] -%}
        trailing_days.net_new_mrr_{{ days }}d::numeric(18, 2) as net_new_mrr_{{ days }}d,
        trailing_days.total_posts_{{ days }}d::integer as total_posts_{{ days }}d,
        trailing_days.ai_generated_posts_{{ days }}d::integer as ai_generated_posts_{{ days }}d,
        {{ ratio('trailing_days.engagement_total_' ~ days ~ 'd', 'trailing_days.observed_posts_' ~ days ~ 'd') }}
            as avg_engagement_{{ days }}d,
        trailing_days.total_ai_cost_{{ days }}d::numeric(18, 6) as total_ai_cost_{{ days }}d,
    {% endfor %}
    -- how far to trust it
    trailing_days.complete_days_28d::integer as complete_days_28d,
    kpis.is_complete,
    kpis.is_final
from kpis
inner join trailing_days on kpis.day = trailing_days.day
left join kpis as week_before on kpis.day = week_before.day + 7
left join kpis as four_weeks_before on kpis.day = four_weeks_before.day + 28
left join active_users on kpis.day = active_users.period_start
left join mrr on kpis.day = mrr.day
