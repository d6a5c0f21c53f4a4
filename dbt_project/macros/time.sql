{#- Time in UTC, whatever the session's time zone is. -#}

{#- The UTC day of a timestamptz. #}
{% macro utc_day(column) -%}
    ({{ column }} at time zone 'UTC')::date
{%- endmacro %}

{#- The first moment of a timestamptz's UTC hour. #}
{% macro utc_hour(column) -%}
    date_trunc('hour', {{ column }}, 'UTC')
{%- endmacro %}

{#- The first instant after a UTC day, as timestamptz. "As of the day's end" means before it. #}
{% macro end_of_day(day) -%}
    (({{ day }} + 1)::timestamp at time zone 'UTC')
{%- endmacro %}

{#- Whole days from a moment to the end of a UTC day: 0 for a moment of that very day. #}
{% macro whole_days(moment, day) -%}
    ({{ day }} - {{ utc_day(moment) }})
{%- endmacro %}

{#- The days from the first to the last, as timestamps. Bare dates would be stepped through in the session's time zone. #}
{% macro days_from(first, last) -%}
    generate_series(({{ first }})::timestamp, ({{ last }})::timestamp, interval '1 day')
{%- endmacro %}

{#- The Monday of a day's week. By timestamp: a bare date is truncated in the session's time zone. #}
{% macro week_start(day) -%}
    date_trunc('week', {{ day }}::timestamp)::date
{%- endmacro %}
