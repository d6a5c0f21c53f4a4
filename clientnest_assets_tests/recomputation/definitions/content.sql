-- Content: posts, what their platforms told of them, and what was told of accounts.

create table posts as
select
    posts.*,
    content_category(posts.content) as content_category,
    day_of(posts.published_time) as published_date,
    ifnull(members.timezone, 'UTC') as author_timezone
from social_posts as posts
left join members on posts.user_id = members.user_id;

-- The last answer of each day. Of two at one moment the later row is the later answer.
create table post_answers as
select
    *,
    day_of(collected_at) as day
from app.post_metrics
where post_id not in (select id from app.deletions where table_name = 'social_posts')
qualify row_number() over (partition by post_id, day order by collected_at desc, id desc) = 1;

create table fact_content_daily as
select
    answers.post_id,
    answers.day,
    posts.user_id,
    posts.account_id,
    users.valid_from as user_valid_from,
    ifnull(users.subscription_tier, 'unknown') as subscription_tier,
    accounts.valid_from as account_valid_from,
    ifnull(posts.platform, 'unknown') as platform,
    ifnull(posts.content_category, 'Unknown') as content_category,
    answers.collected_at as observed_at,
    floor((epoch_us(answers.collected_at) - epoch_us(posts.published_time)) / 86400e6)::bigint as age_days,
    answers.likes_count as likes,
    answers.comments_count as comments,
    answers.shares_count as shares,
    answers.clicks_count as clicks,
    answers.reach,
    answers.impressions,
    answers.likes_count - if(before.day is null, 0, before.likes_count) as new_likes,
    answers.comments_count - if(before.day is null, 0, before.comments_count) as new_comments,
    answers.shares_count - if(before.day is null, 0, before.shares_count) as new_shares,
    answers.clicks_count - if(before.day is null, 0, before.clicks_count) as new_clicks,
    answers.impressions - if(before.day is null, 0, before.impressions) as new_impressions,
    engagement_total(answers.likes_count, answers.comments_count, answers.shares_count) as engagement_total,
    engagement_score(answers.likes_count, answers.comments_count, answers.shares_count) as engagement_score,
    quotient(
        engagement_total(answers.likes_count, answers.comments_count, answers.shares_count), answers.reach
    ) as engagement_rate,
    quotient(answers.clicks_count, answers.impressions) as click_through_rate,
    answers.day + 29 <= (select last_day from span) as is_final
from post_answers as answers
asof left join
    post_answers as before on answers.post_id = before.post_id and answers.day > before.day
left join posts on answers.post_id = posts.id
left join
    dim_user as users
    on
        posts.user_id = users.user_id
        and users.valid_from < day_end(answers.day)
        and users.ends_at >= day_end(answers.day)
left join
    dim_social_account as accounts
    on
        posts.account_id = accounts.account_id
        and accounts.valid_from < day_end(answers.day)
        and accounts.ends_at >= day_end(answers.day);

-- What was told before the day of publication is not of this publication.
create table answers_of_published as
select
    metrics.*,
    posts.published_time
from app.post_metrics as metrics
join
    posts
    on
        metrics.post_id = posts.id
        and day_of(metrics.collected_at) >= posts.published_date;

create table published as
select
    posts.*,
    latest.collected_at as observed_at,
    latest.likes,
    latest.comments,
    latest.shares,
    latest.clicks,
    latest.reach,
    latest.impressions,
    mature.collected_at as mature_at,
    mature.likes as mature_likes,
    mature.comments as mature_comments,
    mature.shares as mature_shares,
    engagement_total(mature.likes, mature.comments, mature.shares) as mature_engagement_total,
    engagement_score(mature.likes, mature.comments, mature.shares) as mature_engagement_score
from posts
left join (
    select
        post_id,
        unnest(last(
            struct_pack(
                collected_at := collected_at,
                likes := likes_count,
                comments := comments_count,
                shares := shares_count,
                clicks := clicks_count,
                reach := reach,
                impressions := impressions
            )
            order by collected_at, id
        ))
    from answers_of_published
    group by post_id
) as latest on posts.id = latest.post_id
left join (
    select
        post_id,
        unnest(first(
            struct_pack(
                collected_at := collected_at,
                likes := likes_count,
                comments := comments_count,
                shares := shares_count
            )
            order by collected_at, id
        ))
    from answers_of_published
    where collected_at >= published_time + interval 7 days
    group by post_id
) as mature on posts.id = mature.post_id
where posts.status = 'published' and posts.published_time is not null;

-- Quartiles of a platform as a post of the day finds them.
create table quartiles as
select
    days.platform,
    days.published_date,
    quantile_cont(past.mature_engagement_score, [0.25, 0.5, 0.75]) as quartiles
from (select distinct platform, published_date from published) as days
join
    published as past
    on
        days.platform = past.platform
        and past.published_date between days.published_date - 90 and days.published_date - 1
        and past.mature_engagement_score is not null
group by all;

create table fact_posts as
select
    published.id as post_id,
    published.published_date,
    published.user_id,
    published.account_id,
    users.valid_from as user_valid_from,
    ifnull(users.subscription_tier, 'unknown') as subscription_tier,
    accounts.valid_from as account_valid_from,
    published.platform,
    published.content_category,
    published.media_type,
    published.ai_generated,
    length(published.content) as content_length,
    json_array_length(published.hashtags)::bigint as hashtag_count,
    published.created_at,
    published.scheduled_time as scheduled_at,
    published.published_time as published_at,
    published.author_timezone,
    day_of(local_time(published.published_time, published.author_timezone)) as local_published_date,
    hour(local_time(published.published_time, published.author_timezone)) as local_published_hour,
    published.observed_at,
    published.likes,
    published.comments,
    published.shares,
    published.clicks,
    published.reach,
    published.impressions,
    engagement_total(published.likes, published.comments, published.shares) as engagement_total,
    engagement_score(published.likes, published.comments, published.shares) as engagement_score,
    quotient(engagement_total(published.likes, published.comments, published.shares), published.reach)
        as engagement_rate,
    quotient(published.clicks, published.impressions) as click_through_rate,
    published.mature_at,
    published.mature_likes,
    published.mature_comments,
    published.mature_shares,
    published.mature_engagement_total,
    published.mature_engagement_score,
    performance_tier(published.mature_engagement_score, quartiles.quartiles) as performance_tier,
    published.published_date + 29 <= (select last_day from span) as is_final
from published
left join quartiles using (platform, published_date)
left join
    dim_user as users
    on
        published.user_id = users.user_id
        and users.valid_from <= published.published_time
        and published.published_time < users.ends_at
left join
    dim_social_account as accounts
    on
        published.account_id = accounts.account_id
        and accounts.valid_from <= published.published_time
        and published.published_time < accounts.ends_at;

create table account_answers as
select
    *,
    day_of(collected_at) as day
from app.account_metrics
qualify row_number() over (partition by account_id, day order by collected_at desc, id desc) = 1;

-- Not every source tells the rate: the last of the day that is known.
create table account_rates as
select
    account_id,
    day_of(collected_at) as day,
    last(engagement_rate order by collected_at, id) as engagement_rate
from app.account_metrics
where engagement_rate is not null
group by all;

create table fact_social_daily as
select
    answers.account_id,
    answers.day,
    accounts.user_id,
    accounts.valid_from as account_valid_from,
    users.valid_from as user_valid_from,
    ifnull(users.subscription_tier, 'unknown') as subscription_tier,
    ifnull(accounts.platform, 'unknown') as platform,
    answers.collected_at as observed_at,
    answers.followers_count as followers,
    answers.following_count as following,
    answers.posts_count as posts,
    answers.followers_count - before.followers_count as follower_growth,
    answers.day - before.day as days_since_previous,
    if(
        answers.day - before.day = 1,
        quotient(answers.followers_count - before.followers_count, before.followers_count),
        null
    ) as follower_growth_rate,
    rates.engagement_rate,
    engagement_category(rates.engagement_rate) as engagement_category,
    (
        select count(*)
        from published
        where published.account_id = answers.account_id and published.published_date = answers.day
    ) as posts_published,
    answers.day + 29 <= (select last_day from span) as is_final
from account_answers as answers
asof left join
    account_answers as before on answers.account_id = before.account_id and answers.day > before.day
left join
    dim_social_account as accounts
    on
        answers.account_id = accounts.account_id
        and accounts.valid_from < day_end(answers.day)
        and accounts.ends_at >= day_end(answers.day)
left join account_rates as rates on answers.account_id = rates.account_id and answers.day = rates.day
left join
    dim_user as users
    on
        accounts.user_id = users.user_id
        and users.valid_from < day_end(answers.day)
        and users.ends_at >= day_end(answers.day);
