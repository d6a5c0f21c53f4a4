{#
    The product's definitions that more than one model, or a unit test, needs. Models compute them
    only through these macros. Content category has its own, generated file.
-#}

{#- Quotient as double precision; null where the denominator is 0 or either side unknown. #}
{% macro ratio(numerator, denominator) -%}
    ({{ numerator }})::double precision / nullif({{ denominator }}, 0)::double precision
{%- endmacro %}

{#- likes + comments + shares. A count the platform does not give adds nothing; null if it gives none. #}
{% macro engagement_total(likes, comments, shares) -%}
    case
        when coalesce({{ likes }}, {{ comments }}, {{ shares }}) is not null
            then coalesce({{ likes }}, 0) + coalesce({{ comments }}, 0) + coalesce({{ shares }}, 0)
    end
{%- endmacro %}

{#- likes + 2 x comments + 3 x shares, nulls as in engagement_total. #}
{% macro engagement_score(likes, comments, shares) -%}
    case
        when coalesce({{ likes }}, {{ comments }}, {{ shares }}) is not null
            then coalesce({{ likes }}, 0) + 2 * coalesce({{ comments }}, 0) + 3 * coalesce({{ shares }}, 0)
    end
{%- endmacro %}

{#- Of an account's engagement rate; null when the rate is unknown. #}
{% macro engagement_category(rate) -%}
    case
        when {{ rate }} <= 0.01 then 'Low'
        when {{ rate }} <= 0.03 then 'Medium'
        when {{ rate }} <= 0.06 then 'High'
        when {{ rate }} > 0.06 then 'Excellent'
    end
{%- endmacro %}

{#-
    "Seen in the last 7 days" is a login on one of the 7 UTC days that end with the row's day. Who was
    never seen is Churned once the first 7 days have passed.
#}
{% macro user_segment(tenure_days, days_since_last_login, sessions_7d) -%}
    case
        when {{ tenure_days }} < 7 then 'New'
        when {{ days_since_last_login }} < 7 and {{ sessions_7d }} > 10 then 'Power User'
        when {{ days_since_last_login }} < 7 then 'Active'
        when {{ days_since_last_login }} < 30 then 'Inactive'
        else 'Churned'
    end
{%- endmacro %}

{#- From 0 to 1. Who never logged in is counted from sign-up. Summed in numeric, so that 0.7 is 0.7. #}
{% macro churn_risk(tenure_days, days_since_last_login, sessions_7d, posts_7d, connected_accounts) -%}
    least(
        case
            when coalesce({{ days_since_last_login }}, {{ tenure_days }}) > 14 then 0.3
            when coalesce({{ days_since_last_login }}, {{ tenure_days }}) > 7 then 0.1
            else 0.0
        end
        + case when {{ sessions_7d }} < 2 then 0.2 else 0.0 end
        + case when {{ posts_7d }} = 0 then 0.2 else 0.0 end
        + case when {{ connected_accounts }} = 0 then 0.3 else 0.0 end,
        1.0
    )::double precision
{%- endmacro %}

{#-
    The quartile of a post's mature score among its platform's posts of the 90 days before; a score on a boundary
    is in the lower one. Null without a score or without such posts.
#}
{% macro performance_tier(score, quartiles) -%}
    case
        when {{ score }} <= {{ quartiles }}[1] then 'Low'
        when {{ score }} <= {{ quartiles }}[2] then 'Medium'
        when {{ score }} <= {{ quartiles }}[3] then 'High'
        when {{ score }} > {{ quartiles }}[3] then 'Viral'
    end
{%- endmacro %}

{#- What a subscription event did to the user's monthly recurring revenue. #}
{% macro mrr_movement(mrr_before, mrr_after, has_paid_before) -%}
    case
        when {{ mrr_before }} = {{ mrr_after }} then 'none'
        when {{ mrr_before }} = 0 and {{ has_paid_before }} then 'reactivated'
        when {{ mrr_before }} = 0 then 'new'
        when {{ mrr_after }} = 0 then 'churned'
        when {{ mrr_before }} < {{ mrr_after }} then 'expansion'
        else 'contraction'
    end
{%- endmacro %}

{#-
    Platforms restate numbers for 28 days. A post of a day's last hour is 28 days old on the 29th day after, so what
    is told of a day is final once that day of the observations is loaded; not by the clock, so that a day built
    again says the same.
#}
{% macro is_final(day, last_loaded_day) -%}
    coalesce({{ day }} + 29 <= {{ last_loaded_day }}, false)
{%- endmacro %}

{#- The row of a type 2 dimension held at a moment. #}
{% macro held_at(version, moment) -%}
    ({{ version }}.valid_from <= {{ moment }} and coalesce({{ version }}.valid_to, 'infinity') > {{ moment }})
{%- endmacro %}

{#- The row of a type 2 dimension held at the last instant of a UTC day. #}
{% macro held_at_end_of(version, day) -%}
    (
        {{ version }}.valid_from < {{ end_of_day(day) }}
        and coalesce({{ version }}.valid_to, 'infinity') >= {{ end_of_day(day) }}
    )
{%- endmacro %}

{#- The day of a moment by the clock of a time zone. #}
{% macro local_day(moment, timezone) -%}
    ({{ moment }} at time zone {{ timezone }})::date
{%- endmacro %}

{#- The hour of a moment, 0 to 23, by the clock of a time zone. #}
{% macro local_hour(moment, timezone) -%}
    extract(hour from {{ moment }} at time zone {{ timezone }})::integer
{%- endmacro %}

{#- A text key out of a natural key and the moment from which the row holds. #}
{% macro version_key(natural_key, valid_from) -%}
    md5({{ natural_key }}::text || '@' || (extract(epoch from {{ valid_from }}) * 1000000)::bigint::text)
{%- endmacro %}
