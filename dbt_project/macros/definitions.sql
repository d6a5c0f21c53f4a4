{#
    The product's definitions that more than one model, or a unit test, needs. Models compute them
    only through these macros. Content category has its own, generated file.
-#}

{#- Quotient as double precision; null where the denominator is 0 or either side unknown. #}
{% macro ratio(numerator, denominator) -%}
    {{ numerator }}::double precision / nullif({{ denominator }}, 0)::double precision
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

{#- A text key out of a natural key and the moment from which the row holds. #}
{% macro version_key(natural_key, valid_from) -%}
    md5({{ natural_key }}::text || '@' || (extract(epoch from {{ valid_from }}) * 1000000)::bigint::text)
{%- endmacro %}
