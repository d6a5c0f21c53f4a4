{#
    For each key that both sides have, the column's sum here is the field's sum there, null being 0. last_days
    looks at no more than that many days before the other side's last, where the key is a day.
-#}
{% test sum_agrees(model, column_name, key, to, field, to_key=none, last_days=none) %}
    {%- set to_key = to_key or key -%}
    {%- if holder_is_selected() -%}
        with here as (
            select
                {{ key }} as key,
                coalesce(sum({{ column_name }}), 0) as total
            from {{ model }}
            group by 1
        ),

        there as (
            select
                {{ to_key }} as key,
                coalesce(sum({{ field }}), 0) as total
            from {{ to }}
            {%- if last_days %}
            where {{ to_key }} > (select max({{ to_key }}) from {{ to }}) - {{ last_days }}
            {%- endif %}
            group by 1
        )

        select
            here.key,
            here.total as total_here,
            there.total as total_there
        from here
        inner join there on here.key = there.key
        where here.total <> there.total
    {%- else -%}
        select 1 as key where false
    {%- endif -%}
{% endtest %}
