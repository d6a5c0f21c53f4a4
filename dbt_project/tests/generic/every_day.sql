{# No loaded day is left out: each has so many rows. Of the window just built, if there is one. #}
{% test every_day(model, column_name, rows_a_day=1) %}
    with loaded as (
        select distinct day
        from {{ ref('stg_loads__table_days') }}
        where
            rows_loaded is not null
            and {{ in_tested_window('day') }}
    ),

    held as (
        select
            {{ column_name }} as day,
            count(*) as rows_of_day
        from {{ model }}
        group by 1
    )

    select
        loaded.day,
        held.rows_of_day
    from loaded
    left join held on loaded.day = held.day
    where held.rows_of_day is distinct from {{ rows_a_day }}
{% endtest %}
