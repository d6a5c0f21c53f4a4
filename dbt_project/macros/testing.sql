{# What data tests look at. dbt calls both macros by their names: they stand in for its own. -#}

{#-
    A test of a windowed model looks at the window just built, not at years of rows that did not change;
    without a window it looks at all of them.
#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [] -%}
    {%- if config.get("where") -%}
        {%- do conditions.append(config.get("where")) -%}
    {%- endif -%}
    {%- if execute and model.attached_node and given_date("min_date") and given_date("max_date") -%}
        {%- set tested = graph.nodes[model.attached_node] -%}
        {%- set window_column = tested.config.meta.get("window_column") -%}
        {%- if window_column and tested.alias == relation.identifier -%}
            {%- do conditions.append(
                in_window(window_column, whole_weeks=tested.config.meta.get("whole_weeks", false))
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if conditions -%}
        {{ return("(select * from " ~ relation ~ " where " ~ conditions | join(" and ") ~ ") as tested") }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{#-
    A reference is tested when the side that holds it is built. Layers run apart, and dbt also selects the
    test with the side that is referred to: then the other side is older, or not there yet.
#}
{% macro postgres__test_relationships(model, column_name, to, field) %}
    {%- if holder_is_selected() -%}
        with child as (
            select {{ column_name }} as from_field from {{ model }} where {{ column_name }} is not null
        ),

        parent as (
            select {{ field }} as to_field from {{ to }}
        )

        select from_field
        from child
        left join parent on child.from_field = parent.to_field
        where parent.to_field is null
    {%- else -%}
        select 1 as from_field where false
    {%- endif -%}
{% endmacro %}

{% macro holder_is_selected() -%}
    {{ return(
        not execute or flags.WHICH != "build"
        or model.attached_node is none or model.attached_node in selected_resources
    ) }}
{%- endmacro %}

{#- The same for a singular test, as a condition on a date column. #}
{% macro in_tested_window(column, days_before=0, whole_weeks=false) -%}
    {%- if given_date("min_date") and given_date("max_date") -%}
        {{ in_window(column, days_before=days_before, whole_weeks=whole_weeks) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#-
    The same for what a fact is compared with, which is not built by window: without one, the days from the first to
    the last that the fact holds.
#}
{% macro in_tested_days(column, fact, window_column="day") -%}
    {%- if given_date("min_date") and given_date("max_date") -%}
        {{ in_window(column) }}
    {%- else -%}
        {{ column }} between
        (select min({{ window_column }}) from {{ fact }}) and (select max({{ window_column }}) from {{ fact }})
    {%- endif -%}
{%- endmacro %}
