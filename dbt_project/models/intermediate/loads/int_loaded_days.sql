select
    table_name,
    day,
    rows_loaded
from {{ ref('stg_loads__table_days') }}
where rows_loaded is not null
