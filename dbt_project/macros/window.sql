{#
    The window a run is about: the variables min_date (inclusive) and max_date (exclusive), UTC days.
    Every windowed model reads them here, so that a run without them fails and says why. Where a row is about a whole
    week, whole_weeks reaches over every week that the window touches; the model says so in config.meta.whole_weeks.

    They may also come as CLIENTNEST_DBT_MIN_DATE and CLIENTNEST_DBT_MAX_DATE: after a change of --vars dbt
    parses the whole project anew, some seconds that a backfill would pay for each of its chunks.
-#}

{#- One end of the window as it was given; none if it was not. #}
{% macro given_date(name) -%}
    {{ return(var(name, none) or env_var("CLIENTNEST_DBT_" ~ name | upper, "") or none) }}
{%- endmacro %}

{% macro window_dates(whole_weeks=false) -%}
    {#- While dbt only parses or documents there is no run, hence no window. -#}
    {%- if not execute or flags.WHICH == "generate" -%}
        {{ return({"min": "1970-01-01", "max": "1970-01-02"}) }}
    {%- endif -%}
    {%- set missing = [] -%}
    {%- for name in ["min_date", "max_date"] if given_date(name) is none -%}
        {%- do missing.append(name) -%}
    {%- endfor -%}
    {%- if missing -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " is built by window and needs the variable(s) " ~ missing | join(", ")
            ~ ": run with --vars '{min_date: YYYY-MM-DD, max_date: YYYY-MM-DD}', max_date exclusive."
        ) }}
    {%- endif -%}
    {%- set from_date = modules.datetime.date.fromisoformat(given_date("min_date") | string) -%}
    {%- set to_date = modules.datetime.date.fromisoformat(given_date("max_date") | string) -%}
    {%- if from_date >= to_date -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " got an empty window: min_date " ~ from_date ~ " is not before max_date " ~ to_date
            ~ " (exclusive)."
        ) }}
    {%- endif -%}
    {%- if whole_weeks -%}
        {%- set from_date = from_date - modules.datetime.timedelta(days=from_date.weekday()) -%}
        {%- set to_date = to_date + modules.datetime.timedelta(days=(7 - to_date.weekday()) % 7) -%}
    {%- endif -%}
    {{ return({"min": from_date.isoformat(), "max": to_date.isoformat()}) }}
{%- endmacro %}

{#- First day of the window, as a date. #}
{% macro window_start(whole_weeks=false) -%}
    date '{{ window_dates(whole_weeks)["min"] }}'
{%- endmacro %}

{#- The day after the last day of the window, as a date. #}
{% macro window_end() -%}
    date '{{ window_dates()["max"] }}'
{%- endmacro %}

{#- A condition on a date column: its day is in the window. days_before reaches back for rolling sums. #}
{% macro in_window(column, days_before=0, whole_weeks=false) -%}
    {%- set dates = window_dates(whole_weeks) -%}
    ({{ column }} >= date '{{ dates["min"] }}'
    {%- if days_before %} - {{ days_before }}{% endif %} and {{ column }} < date '{{ dates["max"] }}')
{%- endmacro %}

{#- The same on a timestamptz column, written so that an index on the column serves. #}
{% macro in_window_at(column, days_before=0) -%}
    {%- set dates = window_dates() -%}
    ({{ column }} >= timestamptz '{{ dates["min"] }} 00:00:00+00'
    {%- if days_before %} - interval '{{ days_before * 24 }} hours'{% endif %}
    and {{ column }} < timestamptz '{{ dates["max"] }} 00:00:00+00')
{%- endmacro %}
