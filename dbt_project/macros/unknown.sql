{#
    The unknown member: one row in each dimension for facts whose own row has not arrived, so that a foreign
    key is never null and a join loses nothing. The next build of the facts' day gives them the row that came.
-#}

{#- Its text key, and its value of an attribute that is a key itself. #}
{% macro unknown_key() -%}
    'unknown'::text
{%- endmacro %}

{#- Its id; ids in the app begin with 1. #}
{% macro unknown_id() -%}
    (-1)::bigint
{%- endmacro %}

{#- Its day, in dim_date. #}
{% macro unknown_day() -%}
    date '1900-01-01'
{%- endmacro %}

{#- Its moment, where one is asked for. #}
{% macro unknown_moment() -%}
    timestamptz '1900-01-01 00:00:00+00'
{%- endmacro %}
