-- Each day of which something was loaded has its KPIs and its 24 hours.
with loaded as (

    select distinct day
    from {{ ref('int_loaded_days') }}
    where {{ in_tested_window('day') }}

),

kpis as (

    select day
    from {{ ref('daily_kpis') }}
    where {{ in_tested_window('day') }}

),

hours as (

    select
        day,
        count(*) as hours
    from {{ ref('hourly_metrics') }}
    where {{ in_tested_window('day') }}
    group by day

)

select
    loaded.day,
    kpis.day is not null as has_kpis,
    hours.hours
from loaded
left join kpis on loaded.day = kpis.day
left join hours on loaded.day = hours.day
where
    kpis.day is null
    or hours.hours is distinct from 24
