with categories as (
    {% for category in content_categories() %}
        select
            '{{ category["category"] }}'::text as content_category,
            {{ loop.index }}::integer as category_order,
            '{{ category["rule"] | replace("'", "''") }}'::text as rule
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select * from categories
