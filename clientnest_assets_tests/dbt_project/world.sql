-- A few days of a small ClientNest, as landed in raw. Built is the window from 6 to 12 January 2025.
--
-- users    1 posts and pays, 2 joined in the window, 3 was last seen in December, 4 joins after the window,
--          5 was deleted on the 10th and still pays, 900 and 901 are authors out of a file, of whom nothing else is known
-- posts    11 is mature, 12 is young, 13 was published on the 12th, 14 is a draft, 15 was deleted, 91 is out of a file,
--          92 and 93 too, and mature

insert into raw.auth_user
    (id, email, full_name, subscription_tier, date_joined, last_login, is_active, timezone, country, updated_at, day, source)
values
    (1, 'p1', 'p1', 'free', '2024-12-20 10:00+00', '2025-01-05 08:00+00', true, 'America/New_York', 'US',
     '2025-01-05 08:00+00', '2025-01-05', 'app_database'),
    (1, 'p1', 'p1', 'starter', '2024-12-20 10:00+00', '2025-01-12 09:00+00', true, 'America/New_York', 'US',
     '2025-01-12 09:00+00', '2025-01-12', 'app_database'),
    (2, 'p2', 'p2', 'business', '2025-01-08 12:00+00', null, true, 'Asia/Tokyo', 'JP',
     '2025-01-08 12:00+00', '2025-01-08', 'app_database'),
    (3, 'p3', 'p3', 'free', '2024-12-01 00:00+00', '2024-12-20 00:00+00', true, 'UTC', null,
     '2024-12-20 00:00+00', '2024-12-20', 'app_database'),
    (4, 'p4', 'p4', 'free', '2025-01-13 00:00+00', null, true, 'UTC', null,
     '2025-01-13 00:00+00', '2025-01-13', 'app_database');

insert into raw.auth_user
    (id, email, full_name, subscription_tier, date_joined, last_login, is_active, timezone, country, updated_at,
     deleted_at, day, source)
values
    (5, 'p5', 'p5', 'starter', '2025-01-06 00:00+00', '2025-01-06 00:00+00', true, 'UTC', 'DE',
     '2025-01-06 00:00+00', null, '2025-01-06', 'app_database'),
    (5, 'p5', 'p5', 'starter', '2025-01-06 00:00+00', '2025-01-06 00:00+00', true, 'UTC', 'DE',
     '2025-01-10 12:00+00', '2025-01-10 12:00+00', '2025-01-10', 'app_database');

insert into raw.user_sessions (id, user_id, created_at, duration, device, ip_address, day, source)
values
    (1, 1, '2025-01-05 08:00+00', 100, 'mobile', 'p', '2025-01-05', 'app_database'),
    (2, 1, '2025-01-12 09:00+00', 200, 'mobile', 'p', '2025-01-12', 'app_database'),
    (3, 1, '2025-01-12 21:00+00', null, 'mobile', 'p', '2025-01-12', 'app_database'),
    (4, 2, '2025-01-12 23:59:59+00', 300, 'mobile', 'p', '2025-01-12', 'app_database'),
    (5, 1, '2025-01-13 00:00+00', 400, 'mobile', 'p', '2025-01-13', 'app_database');

insert into raw.subscription_events (id, user_id, event, from_tier, to_tier, mrr, occurred_at, day, source)
values
    (1, 1, 'start', null, 'free', 0, '2024-12-20 10:00+00', '2024-12-20', 'app_database'),
    (2, 1, 'upgrade', 'free', 'starter', 19.99, '2025-01-10 10:00+00', '2025-01-10', 'app_database'),
    (3, 2, 'start', null, 'business', 149.01, '2025-01-08 12:00+00', '2025-01-08', 'app_database'),
    (4, 2, 'cancel', 'business', null, 0, '2025-01-13 00:00+00', '2025-01-13', 'app_database'),
    (5, 5, 'start', null, 'starter', 9.99, '2025-01-06 00:00+00', '2025-01-06', 'app_database');

insert into raw.social_media_accounts
    (id, user_id, platform, handle, followers_count, following_count, posts_count, engagement_rate, connected_at,
     last_sync, updated_at, day, source)
values
    (5, 1, 'instagram', 'p', 100, 1, 1, 0.02, '2024-12-21 00:00+00', null, '2024-12-21 00:00+00', '2024-12-21',
     'app_database');

insert into raw.account_metrics
    (id, account_id, collected_at, followers_count, following_count, posts_count, engagement_rate, day, source)
values
    (1, 5, '2025-01-11 04:00+00', 200, 1, 1, 0.02, '2025-01-11', 'app_database'),
    (2, 5, '2025-01-12 04:00+00', 210, 1, 1, 0.07, '2025-01-12', 'app_database'),
    (3, 900, '2025-01-12 04:00+00', 1000, 1, 1, null, '2025-01-12', 'file:export.csv');

insert into raw.social_posts
    (id, user_id, account_id, platform, content, hashtags, media_type, status, scheduled_time, published_time,
     ai_generated, created_at, updated_at, day, source)
values
    (11, 1, 5, 'instagram', 'draft of it', null, 'text', 'draft', null, null, true,
     '2025-01-05 00:00+00', '2025-01-05 00:00+00', '2025-01-05', 'app_database'),
    (11, 1, 5, 'instagram', 'Guide: how to sell', '{howto,selling}', 'image', 'published', null,
     '2025-01-06 03:00+00', true, '2025-01-05 00:00+00', '2025-01-06 03:00+00', '2025-01-06', 'app_database'),
    (11, 1, 5, 'instagram', 'Sale', null, 'text', 'published', null,
     '2025-01-06 03:00+00', true, '2025-01-05 00:00+00', '2025-01-06 02:00+00', '2025-01-06', 'file:export.csv'),
    (12, 1, 5, 'instagram', 'What do you think?', '{}', 'text', 'published', '2025-01-12 10:00+00',
     '2025-01-12 10:01+00', false, '2025-01-09 00:00+00', '2025-01-12 10:01+00', '2025-01-12', 'app_database'),
    (13, 1, 5, 'instagram', null, null, 'image', 'published', null, '2025-01-12 23:59:59+00',
     true, '2025-01-12 23:00+00', '2025-01-12 23:59:59+00', '2025-01-12', 'app_database'),
    (14, 1, 5, 'instagram', 'plain', null, 'text', 'draft', null, null, true,
     '2025-01-12 12:00+00', '2025-01-12 12:00+00', '2025-01-12', 'app_database'),
    (91, 900, 900, 'twitter', 'Great people!', null, null, 'published', null, '2025-01-12 12:00+00',
     false, '2025-01-12 12:00+00', '2025-01-12 12:00+00', '2025-01-12', 'file:export.csv'),
    (92, 901, 901, 'instagram', 'plain', null, null, 'published', null, '2025-01-07 12:00+00',
     false, '2025-01-07 12:00+00', '2025-01-07 12:00+00', '2025-01-07', 'file:export.csv'),
    (93, 901, 901, 'instagram', 'plain', null, null, 'published', null, '2025-01-08 12:00+00',
     false, '2025-01-08 12:00+00', '2025-01-08 12:00+00', '2025-01-08', 'file:export.csv');

insert into raw.social_posts
    (id, user_id, account_id, platform, content, hashtags, media_type, status, scheduled_time, published_time,
     ai_generated, created_at, updated_at, deleted_at, day, source)
values
    (15, 1, 5, 'instagram', 'taken back', null, 'text', 'published', null, '2025-01-12 08:00+00', false,
     '2025-01-12 08:00+00', '2025-01-12 08:00+00', null, '2025-01-12', 'app_database'),
    (15, 1, 5, 'instagram', 'taken back', null, 'text', 'published', null, '2025-01-12 08:00+00', false,
     '2025-01-12 08:00+00', '2025-01-12 20:00+00', '2025-01-12 20:00+00', '2025-01-12', 'app_database');

insert into raw.post_metrics
    (id, post_id, collected_at, likes_count, comments_count, shares_count, clicks_count, reach, impressions, day, source)
values
    (1, 11, '2025-01-07 03:00+00', 10, 1, 0, 1, 100, 200, '2025-01-07', 'app_database'),
    (2, 11, '2025-01-13 02:59+00', 20, 2, 1, 2, 200, 400, '2025-01-13', 'app_database'),
    (3, 11, '2025-01-13 03:05+00', 30, 3, 2, 4, 350, 400, '2025-01-13', 'app_database'),
    (4, 11, '2025-01-20 03:05+00', 40, 4, 3, 5, 470, 500, '2025-01-20', 'app_database'),
    (5, 12, '2025-01-12 11:00+00', 6, 1, 0, 0, 0, 0, '2025-01-12', 'app_database'),
    (6, 91, '2025-01-12 13:00+00', 1000, null, 50, null, null, null, '2025-01-12', 'file:export.csv'),
    (7, 404, '2025-01-12 13:00+00', 1, 0, 0, 0, 10, 20, '2025-01-12', 'app_database'),
    (8, 15, '2025-01-12 13:00+00', 5, 0, 0, 0, 10, 20, '2025-01-12', 'app_database'),
    (9, 92, '2025-01-15 12:00+00', 50, 0, 0, null, null, null, '2025-01-15', 'file:export.csv'),
    (10, 93, '2025-01-15 12:00+00', 46, 0, 0, null, null, null, '2025-01-15', 'file:export.csv');

insert into raw.ai_requests
    (id, user_id, request_type, platform, status, created_at, started_at, completed_at, updated_at, day, source)
values
    (1, 1, 'content_generation', 'instagram', 'processing', '2025-01-12 08:00+00', '2025-01-12 08:00+00', null,
     '2025-01-12 08:00+00', '2025-01-12', 'app_database'),
    (1, 1, 'content_generation', 'instagram', 'completed', '2025-01-12 08:00+00', '2025-01-12 08:00+00',
     '2025-01-12 08:00:04+00', '2025-01-12 08:00:04+00', '2025-01-12', 'app_database'),
    (2, 2, 'image_caption', null, 'completed', '2025-01-12 08:00+00', '2025-01-12 08:00:01+00',
     '2025-01-12 08:00:03+00', '2025-01-12 08:00:03+00', '2025-01-12', 'app_database'),
    (3, 2, 'image_caption', null, 'failed', '2025-01-12 09:00+00', '2025-01-12 09:00:01+00', null,
     '2025-01-12 09:00:09+00', '2025-01-12', 'app_database');

insert into raw.ai_usage_logs (id, request_id, user_id, tokens_used, cost, timestamp, day, source)
values
    (1, 1, 1, 1000, 0.012345, '2025-01-12 08:00:04+00', '2025-01-12', 'app_database'),
    (2, 2, 2, 100, 0.000001, '2025-01-12 08:00:03+00', '2025-01-12', 'app_database'),
    (3, 3, 2, 0, 0, '2025-01-12 09:00:09+00', '2025-01-12', 'app_database');

insert into raw.content_generations (id, ai_request_id, post_id, quality_score, created_at, day, source)
values (1, 1, 13, 0.8, '2025-01-12 08:00:04+00', '2025-01-12', 'app_database');
