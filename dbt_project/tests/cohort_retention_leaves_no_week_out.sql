with cohorts as (

    select
        cohort_week,
        count(*) as weeks,
        max(week_number) - min(week_number) + 1 as weeks_spanned,
        count(distinct cohort_size) as sizes
    from {{ ref('cohort_retention') }}
    group by cohort_week

)

select *
from cohorts
where
    weeks <> weeks_spanned
    or sizes <> 1
