-- Two weeks of March 2025, from Monday the 3rd, for the marts about content and the company, and four posts of
-- February to judge March's by.
--
-- users     1 pays and posts, 2 signs up on the 5th and pays from the 12th
-- accounts  10 on twitter is counted from the 1st, 11 on tiktok from the 11th

insert into raw.auth_user
    (id, email, full_name, subscription_tier, date_joined, last_login, is_active, timezone, country, updated_at, day, source)
values
    (1, 'p1', 'p1', 'starter', '2025-02-01 10:00+00', null, true, 'America/New_York', 'US',
     '2025-02-01 10:00+00', '2025-02-01', 'app_database'),
    (2, 'p2', 'p2', 'free', '2025-03-05 10:30+00', null, true, 'Asia/Tokyo', 'JP',
     '2025-03-05 10:30+00', '2025-03-05', 'app_database'),
    (2, 'p2', 'p2', 'starter', '2025-03-05 10:30+00', null, true, 'Asia/Tokyo', 'JP',
     '2025-03-12 15:00+00', '2025-03-12', 'app_database');

insert into raw.user_sessions (id, user_id, created_at, duration, device, ip_address, day, source)
values
    (1, 1, '2025-03-04 09:00+00', 100, 'mobile', 'p', '2025-03-04', 'app_database'),
    (2, 1, '2025-03-04 09:40+00', 100, 'mobile', 'p', '2025-03-04', 'app_database'),
    (3, 1, '2025-03-04 10:00+00', 100, 'mobile', 'p', '2025-03-04', 'app_database'),
    (4, 2, '2025-03-05 10:31+00', 100, 'mobile', 'p', '2025-03-05', 'app_database'),
    (5, 2, '2025-03-11 10:31+00', 100, 'mobile', 'p', '2025-03-11', 'app_database');

insert into raw.subscription_events (id, user_id, event, from_tier, to_tier, mrr, occurred_at, day, source)
values
    (1, 1, 'start', null, 'starter', 19.99, '2025-02-01 10:00+00', '2025-02-01', 'app_database'),
    (2, 2, 'start', null, 'free', 0, '2025-03-05 10:30+00', '2025-03-05', 'app_database'),
    (3, 2, 'upgrade', 'free', 'starter', 19.99, '2025-03-12 15:00+00', '2025-03-12', 'app_database');

insert into raw.social_media_accounts
    (id, user_id, platform, handle, followers_count, following_count, posts_count, engagement_rate, connected_at,
     last_sync, updated_at, day, source)
values
    (10, 1, 'twitter', 'p', 1000, 1, 1, 0.02, '2025-02-01 11:00+00', null, '2025-02-01 11:00+00', '2025-02-01',
     'app_database'),
    (11, 1, 'tiktok', 'p', 200, 1, 1, 0.02, '2025-02-01 11:00+00', null, '2025-02-01 11:00+00', '2025-02-01',
     'app_database');

insert into raw.account_metrics
    (id, account_id, collected_at, followers_count, following_count, posts_count, engagement_rate, day, source)
values
    (1, 10, '2025-03-01 04:00+00', 1000, 1, 1, 0.02, '2025-03-01', 'app_database'),
    (2, 10, '2025-03-02 04:00+00', 1010, 1, 1, 0.02, '2025-03-02', 'app_database'),
    (3, 10, '2025-03-05 04:00+00', 1030, 1, 1, 0.07, '2025-03-05', 'app_database'),
    (4, 10, '2025-03-09 04:00+00', 1020, 1, 1, null, '2025-03-09', 'app_database'),
    (5, 10, '2025-03-12 04:00+00', null, 1, 1, 0.005, '2025-03-12', 'app_database'),
    (6, 10, '2025-03-14 04:00+00', 1071, 1, 1, 0.05, '2025-03-14', 'app_database'),
    (7, 11, '2025-03-11 04:00+00', 200, 1, 1, 0.02, '2025-03-11', 'app_database'),
    (8, 11, '2025-03-16 04:00+00', 260, 1, 1, 0.02, '2025-03-16', 'app_database');

insert into raw.social_posts
    (id, user_id, account_id, platform, content, hashtags, media_type, status, scheduled_time, published_time,
     ai_generated, created_at, updated_at, day, source)
values
    (91, 1, 10, 'twitter', 'plain', null, 'text', 'published', null, '2025-02-10 12:00+00', false,
     '2025-02-10 12:00+00', '2025-02-10 12:00+00', '2025-02-10', 'app_database'),
    (92, 1, 10, 'twitter', 'plain', null, 'text', 'published', null, '2025-02-10 12:00+00', false,
     '2025-02-10 12:00+00', '2025-02-10 12:00+00', '2025-02-10', 'app_database'),
    (93, 1, 10, 'twitter', 'plain', null, 'text', 'published', null, '2025-02-10 12:00+00', false,
     '2025-02-10 12:00+00', '2025-02-10 12:00+00', '2025-02-10', 'app_database'),
    (94, 1, 10, 'twitter', 'plain', null, 'text', 'published', null, '2025-02-10 12:00+00', false,
     '2025-02-10 12:00+00', '2025-02-10 12:00+00', '2025-02-10', 'app_database'),
    (101, 1, 10, 'twitter', 'plain', null, 'text', 'published', null, '2025-03-04 09:15+00', true,
     '2025-03-03 22:00+00', '2025-03-04 09:15+00', '2025-03-04', 'app_database'),
    (102, 1, 10, 'twitter', 'plain', null, 'text', 'published', null, '2025-03-04 12:00+00', false,
     '2025-03-04 11:00+00', '2025-03-04 12:00+00', '2025-03-04', 'app_database'),
    (103, 1, 11, 'tiktok', 'plain', null, 'text', 'published', null, '2025-03-12 08:00+00', true,
     '2025-03-12 08:00+00', '2025-03-12 08:00+00', '2025-03-12', 'app_database');

insert into raw.post_metrics
    (id, post_id, collected_at, likes_count, comments_count, shares_count, clicks_count, reach, impressions, day, source)
values
    (1, 91, '2025-02-17 12:00+00', 10, 0, 0, 0, 0, 0, '2025-02-17', 'app_database'),
    (2, 92, '2025-02-17 12:00+00', 20, 0, 0, 0, 0, 0, '2025-02-17', 'app_database'),
    (3, 93, '2025-02-17 12:00+00', 30, 0, 0, 0, 0, 0, '2025-02-17', 'app_database'),
    (4, 94, '2025-02-17 12:00+00', 40, 0, 0, 0, 0, 0, '2025-02-17', 'app_database'),
    (5, 101, '2025-03-05 09:15+00', 5, 1, 0, 2, 100, 200, '2025-03-05', 'app_database'),
    (6, 101, '2025-03-11 09:15+00', 30, 4, 1, 8, 350, 400, '2025-03-11', 'app_database'),
    (7, 102, '2025-03-11 12:00+00', 20, null, null, null, null, 100, '2025-03-11', 'app_database');

insert into raw.social_comments (id, account_id, post_id, content, created_at, day, source)
values
    (1, 10, 101, 'p', '2025-03-04 09:20+00', '2025-03-04', 'app_database'),
    (2, 10, 101, 'p', '2025-03-04 09:59:59+00', '2025-03-04', 'app_database'),
    (3, 10, null, 'p', '2025-03-04 23:59:59+00', '2025-03-04', 'app_database');

insert into raw.ai_requests
    (id, user_id, request_type, platform, status, created_at, started_at, completed_at, updated_at, day, source)
values
    (1, 1, 'content_generation', 'twitter', 'completed', '2025-03-04 09:05+00', '2025-03-04 09:05+00',
     '2025-03-04 09:05:04+00', '2025-03-04 09:05:04+00', '2025-03-04', 'app_database'),
    (2, 1, 'image_caption', null, 'failed', '2025-03-04 09:59+00', '2025-03-04 09:59+00', null,
     '2025-03-04 09:59+00', '2025-03-04', 'app_database'),
    (3, 2, 'content_generation', 'twitter', 'completed', '2025-03-05 23:59:59+00', '2025-03-06 00:00:00+00',
     '2025-03-06 00:00:02+00', '2025-03-06 00:00:02+00', '2025-03-06', 'app_database');

insert into raw.ai_usage_logs (id, request_id, user_id, tokens_used, cost, timestamp, day, source)
values
    (1, 1, 1, 1000, 0.02, '2025-03-04 10:01+00', '2025-03-04', 'app_database'),
    (2, 3, 2, 100, 0.001, '2025-03-06 00:00:02+00', '2025-03-06', 'app_database');

insert into raw.content_generations (id, ai_request_id, post_id, quality_score, created_at, day, source)
values (1, 1, 101, 0.8, '2025-03-04 09:05:04+00', '2025-03-04', 'app_database');

insert into raw.support_tickets
    (id, user_id, category, priority, status, created_at, resolved_at, updated_at, day, source)
values
    (1, 1, 'billing', 'low', 'open', '2025-03-04 09:30+00', null, '2025-03-04 09:30+00', '2025-03-04', 'app_database'),
    (1, 1, 'billing', 'low', 'resolved', '2025-03-04 09:30+00', '2025-03-06 09:30+00', '2025-03-06 09:30+00',
     '2025-03-06', 'app_database');

insert into raw.app_events_hourly
    (id, user_id, hour, events, logins, feature_uses, clicks, errors, performance_reports, sessions, day, source)
values
    ('2025-03-04T09/1', 1, '2025-03-04 09:00+00', 5, 1, 3, 0, 1, 0, 1, '2025-03-04', 'app_events'),
    ('2025-03-04T09/-', null, '2025-03-04 09:00+00', 2, 0, 0, 2, 0, 0, 1, '2025-03-04', 'app_events');
