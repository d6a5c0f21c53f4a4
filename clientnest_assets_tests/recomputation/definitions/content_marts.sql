-- Marts about content: what a platform's posts of a day brought, and how an account's followers grew in a week.

create table platform_days as
select distinct
    day,
    platform
from days
cross join (select unnest(['twitter', 'facebook', 'instagram', 'linkedin', 'tiktok']) as platform);

create table platform_performance as
select
    platform_days.day,
    platform_days.platform,
    count(posts.post_id) as posts,
    count(distinct posts.account_id) as active_accounts,
    count(*) filter (where posts.ai_generated) as ai_generated_posts,
    count(posts.engagement_total) as observed_posts,
    sum(posts.likes) as likes,
    sum(posts.comments) as comments,
    sum(posts.shares) as shares,
    sum(posts.clicks) as clicks,
    sum(posts.impressions) as impressions,
    sum(posts.engagement_total) as engagement_total,
    sum(posts.engagement_score) as engagement_score,
    avg(posts.engagement_rate) as avg_engagement_rate,
    quotient(
        sum(posts.clicks) filter (where posts.impressions is not null),
        sum(posts.impressions) filter (where posts.clicks is not null)
    ) as click_through_rate,
    count(posts.mature_engagement_score) as mature_posts,
    sum(posts.mature_engagement_score) as mature_engagement_score,
    avg(posts.mature_engagement_score) as avg_mature_engagement_score,
    count(*) filter (where posts.performance_tier = 'Low') as low_posts,
    count(*) filter (where posts.performance_tier = 'Medium') as medium_posts,
    count(*) filter (where posts.performance_tier = 'High') as high_posts,
    count(*) filter (where posts.performance_tier = 'Viral') as viral_posts,
    platform_days.day + 29 <= (select last_day from span) as is_final
from platform_days
left join fact_posts as posts on platform_days.day = posts.published_date and platform_days.platform = posts.platform
group by platform_days.day, platform_days.platform;

create table follower_counts as
select
    *,
    date_trunc('week', day)::date as week_start
from fact_social_daily
where followers is not null;

create table weekly_rates as
select
    account_id,
    date_trunc('week', day)::date as week_start,
    last(engagement_rate order by day) as engagement_rate
from fact_social_daily
where engagement_rate is not null
group by all;

create table follower_growth as
with closings as (
    select
        account_id,
        week_start,
        min(day) as first_day,
        max(day) as closing_day,
        count(*) as observed_days
    from follower_counts
    group by account_id, week_start
),

openings as (
    select
        closings.* exclude (first_day),
        ifnull(max(before.day), any_value(closings.first_day)) as opening_day
    from closings
    left join
        follower_counts as before
        on closings.account_id = before.account_id and before.day < closings.week_start
    group by all
)

select
    openings.account_id,
    openings.week_start,
    closing.account_valid_from,
    closing.user_id,
    closing.platform,
    openings.opening_day,
    openings.closing_day,
    opening.followers as opening_followers,
    closing.followers as closing_followers,
    closing.followers - opening.followers as follower_growth,
    quotient(closing.followers - opening.followers, opening.followers) as follower_growth_rate,
    engagement_category(rates.engagement_rate) as engagement_category,
    (
        select count(*)
        from published
        where
            published.account_id = openings.account_id
            and published.published_date between openings.week_start and openings.week_start + 6
    ) as posts_published,
    openings.observed_days,
    openings.opening_day = openings.week_start - 1
    and openings.closing_day = openings.week_start + 6 as is_whole_week,
    openings.closing_day + 29 <= (select last_day from span) as is_final
from openings
join follower_counts as opening on openings.account_id = opening.account_id and openings.opening_day = opening.day
join follower_counts as closing on openings.account_id = closing.account_id and openings.closing_day = closing.day
left join weekly_rates as rates on openings.account_id = rates.account_id and openings.week_start = rates.week_start;
