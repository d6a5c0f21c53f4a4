with span as (

    select
        min(day) as first_day,
        max(day) as last_day
    from {{ ref('stg_loads__table_days') }}
    where rows_loaded is not null

),

days as (

    select
        spine.day::date as day,
        true as is_known
    from span
    cross join {{ days_from('span.first_day', 'span.last_day') }} as spine (day)

    union all

    select
        {{ unknown_day() }} as day,
        false as is_known

)

select
    day,

    -- calendar
    extract(year from day)::integer as year,
    extract(quarter from day)::integer as quarter,
    extract(month from day)::integer as month,
    to_char(day, 'FMMonth') as month_name,
    extract(day from day)::integer as day_of_month,

    -- weeks, from Monday
    extract(isoyear from day)::integer as iso_year,
    extract(week from day)::integer as iso_week,
    extract(isodow from day)::integer as weekday,
    to_char(day, 'FMDay') as weekday_name,
    extract(isodow from day) >= 6 as is_weekend,

    -- periods by their first day
    {{ week_start('day') }} as week_start,
    date_trunc('month', day::timestamp)::date as month_start,

    is_known
from days
