-- What happens at the app after the year was landed and built. All of it is told of days long gone.

-- Rows arrive whose children were there before.
insert into auth_user select * from withheld.auth_user;
insert into social_media_accounts select * from withheld.social_media_accounts;
insert into social_posts select * from withheld.social_posts;
insert into ai_requests select * from withheld.ai_requests;

-- Late rows.
insert into user_sessions
select 5000000 + id, user_id, created_at - interval '90 minutes', 77, 'mobile', '203.0.113.10'
from user_sessions where id % 59 = 0 and created_at > timestamptz '2025-04-22 00:00+00';
insert into post_metrics
select 5000000 + id * 2, id, published_time + interval '168 hours', 500, 50, 10, 90, 4000, 5000
from social_posts where status = 'published' and id % 16 = 1 and published_time < timestamptz '2026-04-12 00:00+00'
union all
select 5000001 + id * 2, id, published_time + interval '20 days', 600, 60, 11, 95, 4100, 5100
from social_posts where status = 'published' and id % 16 = 2 and published_time < timestamptz '2026-03-25 00:00+00';
insert into account_metrics
select 5000000 + id, account_id, collected_at + interval '2 hours', followers_count + 9, following_count, posts_count, 0.031
from account_metrics where id % 61 = 0 and collected_at < timestamptz '2026-04-19 20:00+00';
insert into ai_usage_logs
select 5000000 + id, request_id, user_id, 11, 0.012345, timestamp - interval '3 hours' from ai_usage_logs where id % 33 = 0 and timestamp > timestamptz '2025-04-22 00:00+00';
insert into subscription_events
select 5000000 + id, id, 'upgrade', 'free', 'enterprise', 499, date_trunc('month', date_joined) + interval '45 days'
from auth_user where id % 9 = 2 and date_joined < timestamptz '2026-02-01 00:00+00';
insert into social_comments
select 5000000 + id, account_id, post_id, content, created_at - interval '1 day' from social_comments where id % 53 = 0 and created_at > timestamptz '2025-04-22 00:00+00';
insert into content_generations
select 5000000 + id, ai_request_id, null, 0.9, created_at from content_generations where id % 21 = 0;

-- Restated numbers of old days.
update post_metrics set likes_count = coalesce(likes_count, 0) + 5, reach = coalesce(reach, 0) + 50 where id % 47 = 0;
update account_metrics set followers_count = followers_count + 100 where id % 67 = 0;
update ai_usage_logs set cost = cost + 0.01 where id % 35 = 0;
update user_sessions set duration = 1, created_at = created_at + interval '12 hours'
where id % 97 = 0 and created_at < timestamptz '2026-04-19 00:00+00';

-- Rows that are gone, of which the ids are kept for the tests; one table's whole day among them.
create schema was;
create table was.user_sessions as select id from user_sessions;
create table was.subscription_events as select id from subscription_events;
create table was.social_posts as select id from social_posts;
delete from user_sessions where id % 83 = 0;
delete from user_sessions where created_at >= timestamptz '2025-09-09 00:00+00' and created_at < timestamptz '2025-09-10 00:00+00';
delete from post_metrics where id % 89 = 0;
delete from account_metrics where id % 103 = 0;
delete from ai_usage_logs where id % 107 = 0;
delete from subscription_events where id % 79 = 0;
delete from social_comments where id % 109 = 0;
delete from content_generations where id % 31 = 0;
delete from experiment_assignments where id % 37 = 0;

-- New versions.
update auth_user set timezone = 'Asia/Tokyo', updated_at = timestamptz '2026-04-19 22:00+00' + id * interval '1 second' where id % 7 = 1;
update auth_user set is_active = not is_active, subscription_tier = 'business', updated_at = timestamptz '2026-03-01 00:00+00'
where id % 12 = 4 and updated_at < timestamptz '2026-03-01 00:00+00';
update social_media_accounts set user_id = user_id % 40 + 1, handle = 'moved', updated_at = timestamptz '2026-04-18 00:00+00'
where id % 14 = 0 and updated_at < timestamptz '2026-04-18 00:00+00';
update social_posts set content = 'Now with a tip?', updated_at = timestamptz '2026-04-19 23:00+00' where id % 17 = 0;
update social_posts set published_time = published_time + interval '30 hours', updated_at = timestamptz '2026-04-19 23:10+00'
where id % 19 = 1 and status = 'published' and published_time < timestamptz '2026-04-10 00:00+00';
update social_posts set status = 'failed', published_time = null, updated_at = timestamptz '2026-04-19 23:20+00' where id % 43 = 1;
update ai_requests set status = 'completed', completed_at = started_at + interval '2.5 seconds', updated_at = timestamptz '2026-04-19 23:30+00'
where status = 'failed' and started_at is not null and id % 2 = 1;
