{%- set tables = [
    'auth_user', 'user_sessions', 'social_media_accounts', 'account_metrics', 'social_posts', 'post_metrics',
    'social_comments', 'sentiment_analysis', 'ai_requests', 'ai_usage_logs', 'content_generations',
    'support_tickets', 'subscription_events', 'experiments', 'experiment_assignments',
] -%}

with spans as (
    {% for table in tables %}
        select
            min(day) as first_day,
            max(day) as last_day
        from {{ source('app', table) }}
        union all
    {% endfor %}
    -- A file may bring posts that were published before the day from which it tells them.
    select
        {{ utc_day('min(published_at)') }} as first_day,
        {{ utc_day('max(published_at)') }} as last_day
    from {{ ref('dim_post') }}

),

days as (

    select generate_series(min(first_day), max(last_day), interval '1 day')::date as day
    from spans

)

select
    day,

    -- calendar
    extract(year from day)::integer as year,
    extract(quarter from day)::integer as quarter,
    extract(month from day)::integer as month,
    to_char(day, 'FMMonth') as month_name,
    extract(day from day)::integer as day_of_month,

    -- weeks, from Monday
    extract(isoyear from day)::integer as iso_year,
    extract(week from day)::integer as iso_week,
    extract(isodow from day)::integer as weekday,
    to_char(day, 'FMDay') as weekday_name,
    extract(isodow from day) >= 6 as is_weekend,

    -- periods by their first day
    date_trunc('week', day)::date as week_start,
    date_trunc('month', day)::date as month_start
from days
