-- What an app's database holds that nobody expects, before anything was landed.

-- Texts that are nearly in a category, or in one in an unusual way.
update social_posts set content = texts.content
from (
    values
        (0, 'STEAM engines and multiple tipples'),
        (1, 'Sale'),
        (2, 'salé, ventes'),
        (3, 'étips for résumés'),
        (4, E'How\tto\nwrite'),
        (5, 'how  to'),
        (6, 'however, too'),
        (7, '🔥sale🔥'),
        (8, '❤️tips'),
        (9, 'Our team, our story'),
        (10, '¿Qué tal?'),
        (11, 'A poll_result'),
        (12, 'poll: yes/no'),
        (13, 'wholesale discounts'),
        (14, 'buy-one-get-one'),
        (15, 'tip’s end'),
        (16, E'  \n\t '),
        (17, ''),
        (18, null),
        (19, 'Question for the team: which guide should we offer?'),
        (20, 'سؤال'),
        (21, 'はguideです'),
        (22, 'guide はここ'),
        (23, 'vote!'),
        (24, '1tip'),
        (25, 'tip2 tips.'),
        (26, 'BEHIND THE SCENES'),
        (27, 'behindhand journeys'),
        (28, '"offer"'),
        (29, 'tip' || chr(769)),
        (30, 'Ночной tip')
) as texts (place, content)
where social_posts.id % 5 = 0 and texts.place = social_posts.id / 5 % 31;

-- Numbers that platforms do not give, zeros, and borders of categories.
update post_metrics set likes_count = null where id % 13 = 0;
update post_metrics set shares_count = null where id % 11 = 0;
update post_metrics set likes_count = null, comments_count = null, shares_count = null where id % 17 = 0;
update post_metrics set reach = 0 where id % 19 = 0;
update post_metrics set impressions = 0 where id % 23 = 0;
update post_metrics set reach = null, impressions = null, clicks_count = null where id % 29 = 0;
update account_metrics set engagement_rate = (array[0, 0.01, 0.03, 0.06, 0.060000001, null])[id / 3 % 6 + 1] where id % 3 = 0;
update account_metrics set followers_count = 0 where id % 37 = 0;
update account_metrics set followers_count = null where id % 41 = 0;
update user_sessions set duration = null where id % 14 = 0;

-- Two answers at one moment; the later row counts.
insert into post_metrics
select 1000000 + id, post_id, collected_at, likes_count + 3, comments_count, shares_count + 1, clicks_count, reach, impressions
from post_metrics where id % 31 = 0;
insert into account_metrics
select 1000000 + id, account_id, collected_at, followers_count + 1, following_count, posts_count, engagement_rate
from account_metrics where id % 43 = 0;

-- Answers at exactly the age of maturity, one microsecond younger, and from before the publication.
insert into post_metrics
select 2000000 + id * 4, id, published_time + interval '168 hours', 50, 5, 1, 9, 400, 500
from social_posts where status = 'published' and id % 6 = 0 and published_time < timestamptz '2026-04-12 00:00+00'
union all
select 2000001 + id * 4, id, published_time + interval '168 hours' - interval '1 microsecond', 40, 4, 1, 8, 400, 500
from social_posts where status = 'published' and id % 4 = 0 and published_time < timestamptz '2026-04-12 00:00+00'
union all
select 2000002 + id * 4, id, published_time - interval '26 hours', 1, 1, 1, 1, 10, 10
from social_posts where status = 'published' and id % 9 = 0 and published_time > timestamptz '2025-04-22 00:00+00';

-- Posts of nobody known, on an account of nobody known, and moments at midnight.
update social_posts set user_id = 90001 where id % 71 = 0;
update social_posts set account_id = 90001 where id % 73 = 0;
update social_posts set published_time = date_trunc('day', published_time at time zone 'UTC') at time zone 'UTC'
where status = 'published' and id % 12 = 0;
insert into post_metrics
select 3000000 + id, 800000 + id % 7, collected_at, likes_count, comments_count, shares_count, clicks_count, reach, impressions
from post_metrics where id % 997 = 0;
insert into account_metrics
select 3000000 + id, 800000 + id % 3, collected_at, followers_count, following_count, posts_count, engagement_rate
from account_metrics where id % 997 = 0;
update user_sessions set created_at = date_trunc('day', created_at at time zone 'UTC') at time zone 'UTC' where id % 25 = 0;
update user_sessions set user_id = 90001 + id % 2 where id % 101 = 0;
update user_sessions set user_id = 1 where user_id = 5;
update auth_user set last_login = null where id = 5;

-- Time zones, and sessions, posts and requests in the hours in which clocks change.
update auth_user set timezone = (array[
    'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Sao_Paulo', 'Pacific/Kiritimati',
    'Mars/Phobos', 'europe/berlin', 'UTC', 'Africa/Casablanca'
])[id % 10 + 1];
insert into user_sessions
select 4000000 + row_number() over (order by users.id, hours.at), users.id, hours.at, 60, 'desktop', '203.0.113.9'
from auth_user as users
cross join (
    select timestamptz '2025-10-25 22:30+00' + n * interval '30 minutes' as at from generate_series(0, 8) as n
    union all
    select timestamptz '2025-11-02 04:30+00' + n * interval '30 minutes' from generate_series(0, 5) as n
    union all
    select timestamptz '2026-03-28 23:30+00' + n * interval '30 minutes' from generate_series(0, 4) as n
    union all
    select timestamptz '2026-04-04 14:00+00' + n * interval '30 minutes' from generate_series(0, 4) as n
) as hours
where users.date_joined < hours.at and users.id % 3 = 0;

-- AI: many requests in one second, ends before beginnings, free and costly tokens, bills around midnight.
update ai_requests set created_at = date_trunc('second', created_at) where id % 2 = 0;
insert into ai_requests
select 1000000 + id * 3 + n, user_id, request_type, platform, status, created_at, started_at, completed_at, updated_at
from ai_requests cross join generate_series(0, 2) as n where id % 20 = 0;
update ai_requests set completed_at = started_at - interval '1 second' where id % 21 = 0;
update ai_requests set completed_at = started_at where id % 22 = 0;
update ai_requests set started_at = null where id % 26 = 0;
update ai_requests set status = 'failed', completed_at = null where id % 27 = 0;
update ai_usage_logs set tokens_used = 0, cost = 0 where id % 15 = 0;
update ai_usage_logs set cost = 0 where id % 16 = 0;
update ai_usage_logs set timestamp = date_trunc('day', timestamp + interval '1 day')
where id % 18 = 0 and timestamp < timestamptz '2026-04-19 00:00+00';
insert into ai_usage_logs
select 1000000 + id, request_id, user_id, tokens_used + 1, cost + 0.000001, timestamp + interval '1 second'
from ai_usage_logs where id % 10 = 0;
insert into ai_usage_logs
select 2000000 + id, 900000 + id, user_id, 7, 0.000777, timestamp from ai_usage_logs where id % 50 = 0;
update content_generations set quality_score = null where id % 9 = 0;
update content_generations set quality_score = 0 where id % 10 = 0;
insert into content_generations
select 1000000 + id, ai_request_id, null, 0.1, created_at from content_generations where id % 8 = 0;
insert into content_generations
select 2000000 + id, 900000 + id, null, 0.5, created_at from content_generations where id % 40 = 0;

-- Plans: changed at midnight, twice in a day, twice in one moment, back again, and by somebody unknown.
insert into subscription_events
select
    1000000 + users.id * 10 + steps.place,
    users.id,
    steps.event,
    steps.from_tier,
    steps.to_tier,
    steps.mrr,
    timestamptz '2025-12-10 00:00+00' + steps.later
from auth_user as users
cross join (
    values
        (1, 'upgrade', 'free', 'business', 149.00, interval '0'),
        (2, 'cancel', 'business', 'free', 0.00, interval '10 hours'),
        (3, 'upgrade', 'free', 'starter', 19.00, interval '10 hours'),
        (4, 'downgrade', 'starter', null, 0.00, interval '11 hours'),
        (5, 'start', null, 'professional', 49.50, interval '23:59:59.999999'),
        (6, 'renew', 'professional', 'professional', 49.50, interval '40 days'),
        (7, 'cancel', 'professional', null, 0.00, interval '70 days')
) as steps (place, event, from_tier, to_tier, mrr, later)
where users.id % 8 = 0 and users.date_joined < timestamptz '2025-12-10 00:00+00';
insert into subscription_events values
(1900001, 90001, 'start', null, 'free', 0, '2025-08-01 12:00+00'),
(1900002, 90001, 'upgrade', 'free', 'enterprise', 499, '2025-09-01 00:00+00');


-- Somebody who was known, closed and paying before he signed up.
update auth_user set date_joined = updated_at + interval '3 days', is_active = false
where id = (select min(id) from auth_user where id > 10 and updated_at < timestamptz '2026-01-01 00:00+00');
insert into subscription_events
select 1900003, id, 'upgrade', 'free', 'starter', 19, updated_at + interval '1 day' from auth_user where date_joined > updated_at;

-- Experiments: in two variants, before and after the experiment, in none that exists, and a metric that nobody knows.
insert into experiment_assignments
select 1000000 + id, experiment_id, user_id, 'treatment', assigned_at + interval '1 hour'
from experiment_assignments where id % 6 = 0;
insert into experiment_assignments
select 2000000 + id, 4, user_id, variant, assigned_at from experiment_assignments where id % 3 = 0;
insert into experiment_assignments
select 3000000 + id, 99, user_id, variant, assigned_at from experiment_assignments where id % 30 = 0;
insert into experiments
select 4, 'of_nothing', 'A metric that nobody knows', 'happiness', 'running', min(assigned_at), null, min(assigned_at)
from experiment_assignments;

-- Rows that arrive later than what belongs to them.
create schema withheld;
create table withheld.auth_user as select * from auth_user where id % 11 = 0;
create table withheld.social_media_accounts as select * from social_media_accounts where id % 13 = 0;
create table withheld.social_posts as select * from social_posts where id % 10 = 3;
create table withheld.ai_requests as select * from ai_requests where id % 10 = 7;
delete from auth_user where id in (select id from withheld.auth_user);
delete from social_media_accounts where id in (select id from withheld.social_media_accounts);
delete from social_posts where id in (select id from withheld.social_posts);
delete from ai_requests where id in (select id from withheld.ai_requests);
