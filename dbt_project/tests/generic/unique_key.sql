{# The columns together tell one row from another, and none of them is null. The test of a grain. -#}
{% test unique_key(model, columns) %}
    select
        {{ columns | join(", ") }},
        count(*) as copies
    from {{ model }}
    group by {{ columns | join(", ") }}
    having
        count(*) > 1
        {%- for column in columns %}
        or {{ column }} is null
        {%- endfor %}
{% endtest %}
