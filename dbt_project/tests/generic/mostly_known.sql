{# At most this share of the rows point to the unknown member of a dimension. For people to see: it stops nothing. -#}
{% test mostly_known(model, column_name, share=0.01) %}
    {{ config(severity="warn") }}

    with counted as (
        select
            count(*) as total_rows,
            count(*) filter (where {{ column_name }}::text in ('unknown', 'Unknown', '-1')) as unknown_rows
        from {{ model }}
    )

    select *
    from counted
    where unknown_rows > {{ share }} * total_rows
{% endtest %}
