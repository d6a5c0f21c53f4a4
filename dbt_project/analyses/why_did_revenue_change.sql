select
    date_trunc('week', day)::date as week,
    sum(new_mrr) as new_mrr,
    sum(expansion_mrr) as expansion_mrr,
    sum(contraction_mrr) as contraction_mrr,
    sum(churned_mrr) as churned_mrr,
    sum(reactivated_mrr) as reactivated_mrr,
    max(closing_mrr) filter (where extract(isodow from day) = 7) as mrr_on_sunday
from {{ ref('mrr_movements') }}
group by 1
order by 1
