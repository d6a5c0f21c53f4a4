{# A condition holds in every row. Unknown (null) passes: nulls have their own tests. -#}
{% test always(model, condition) %}
    select *
    from {{ model }}
    where not ({{ condition }})
{% endtest %}
