{#
    Incremental strategy: the window's rows are deleted and inserted anew, in dbt's one transaction.
    So a window run twice is the same, and a row that vanished at the source vanishes here, which
    neither delete+insert nor microbatch does on PostgreSQL.

    The model names its window column in config.meta.window_column. Where an entity can move from one
    day to another, the model gives its unique_key too, and the row that it left behind is deleted.
-#}
{% macro get_incremental_replace_window_sql(arg_dict) %}
    {%- set target = arg_dict["target_relation"] -%}
    {%- set window_column = config.get("meta", {}).get("window_column") -%}
    {%- set whole_weeks = config.get("meta", {}).get("whole_weeks", false) -%}
    {%- if not window_column -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ " uses replace_window and must name its date column in config.meta.window_column."
        ) }}
    {%- endif -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) %}

    -- Two runs of one window would each delete what they see and both insert: one after the other, then.
    select pg_advisory_xact_lock(hashtext('{{ target }}'));

    delete from {{ target }}
    where {{ in_window(adapter.quote(window_column), whole_weeks=whole_weeks) }};
    {% if arg_dict["unique_key"] %}
    delete from {{ target }}
    where {{ arg_dict["unique_key"] }} in (select {{ arg_dict["unique_key"] }} from {{ arg_dict["temp_relation"] }});
    {% endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict["temp_relation"] }}
{% endmacro %}

{#
    Hook before a windowed model: a day is built by one transaction after the other, reading included. Otherwise a build
    that read less could write last, over one that read more.
-#}
{% macro lock_days() -%}
    {%- set meta = model.config.get("meta", {}) -%}
    {%- if execute and meta.get("window_column") -%}
        {%- set dates = window_dates(meta.get("whole_weeks", false)) -%}
        select pg_advisory_xact_lock(hashtext('{{ this }}'), day::date - date '1970-01-01')
        from {{ days_from("date '" ~ dates["min"] ~ "'", "date '" ~ dates["max"] ~ "' - 1") }} as spine (day)
    {%- endif -%}
{%- endmacro %}
