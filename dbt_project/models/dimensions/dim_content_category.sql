select
    content_category::text as content_category,
    category_order::integer as category_order,
    rule::text as rule,
    -- A post without text, and one whose row has not arrived, are both of a category that nobody can know.
    content_category <> 'Unknown' as is_known
from {{ ref('content_categories') }}
