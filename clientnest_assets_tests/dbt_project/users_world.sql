-- Six weeks of a small ClientNest for the marts about users, as landed in raw. Loaded is from Wednesday 26 February to
-- Wednesday 9 April 2025, but for the sessions of 2 April, the app's events of 5 March and the subscription events of
-- 11 March.
--
-- users    1 goes the whole way, 2 pays before all else, 3 connects no account, 4 pays and is deleted, of 5 only the
--          plan is known, 6 signed up before the first day, of 900 only a session is known
-- weeks    begin on 24 February, 3, 10, 17, 24 and 31 March and 7 April

insert into raw.auth_user
    (id, email, full_name, subscription_tier, date_joined, last_login, is_active, timezone, country, updated_at,
     deleted_at, day, source)
values
    (1, 'p1', 'p1', 'starter', '2025-03-03 00:00+00', null, true, 'UTC', null, '2025-03-10 06:00+00', null,
     '2025-03-10', 'app_database'),
    (2, 'p2', 'p2', 'starter', '2025-03-09 23:59:59+00', null, true, 'UTC', null, '2025-03-12 20:00+00', null,
     '2025-03-12', 'app_database'),
    (3, 'p3', 'p3', 'free', '2025-03-10 00:00+00', null, true, 'UTC', null, '2025-03-10 00:00+00', null,
     '2025-03-10', 'app_database'),
    (4, 'p4', 'p4', 'business', '2025-03-12 00:00+00', null, true, 'UTC', null, '2025-03-14 00:00+00', null,
     '2025-03-14', 'app_database'),
    (4, 'p4', 'p4', 'business', '2025-03-12 00:00+00', null, true, 'UTC', null, '2025-03-20 12:00+00',
     '2025-03-20 12:00+00', '2025-03-20', 'app_database'),
    (6, 'p6', 'p6', 'free', '2025-02-01 00:00+00', null, true, 'UTC', null, '2025-02-26 00:00+00', null,
     '2025-02-26', 'app_database');

insert into raw.user_sessions (id, user_id, created_at, duration, device, ip_address, day, source)
values
    (1, 6, '2025-02-26 08:00+00', 60, 'mobile', 'p', '2025-02-26', 'app_database'),
    (2, 6, '2025-03-01 08:00+00', 60, 'mobile', 'p', '2025-03-01', 'app_database'),
    (3, 1, '2025-03-03 00:00+00', 60, 'mobile', 'p', '2025-03-03', 'app_database'),
    (4, 1, '2025-03-03 10:00+00', 60, 'mobile', 'p', '2025-03-03', 'app_database'),
    (5, 1, '2025-03-09 23:59:59+00', 60, 'mobile', 'p', '2025-03-09', 'app_database'),
    (6, 2, '2025-03-09 23:59:59+00', 60, 'mobile', 'p', '2025-03-09', 'app_database'),
    (7, 1, '2025-03-10 00:00+00', 60, 'mobile', 'p', '2025-03-10', 'app_database'),
    (8, 3, '2025-03-10 08:00+00', 60, 'mobile', 'p', '2025-03-10', 'app_database'),
    (9, 2, '2025-03-11 08:00+00', 60, 'mobile', 'p', '2025-03-11', 'app_database'),
    (10, 4, '2025-03-13 08:00+00', 60, 'mobile', 'p', '2025-03-13', 'app_database'),
    (11, 900, '2025-03-13 08:00+00', 60, 'mobile', 'p', '2025-03-13', 'app_database'),
    (12, 3, '2025-03-17 08:00+00', 60, 'mobile', 'p', '2025-03-17', 'app_database'),
    (13, 1, '2025-03-24 12:00+00', 60, 'mobile', 'p', '2025-03-24', 'app_database'),
    (14, 1, '2025-04-08 12:00+00', 60, 'mobile', 'p', '2025-04-08', 'app_database'),
    (15, 6, '2025-04-08 12:00+00', 60, 'mobile', 'p', '2025-04-08', 'app_database');

insert into raw.app_events_daily
    (id, user_id, events, logins, feature_uses, clicks, errors, performance_reports, sessions, features, first_at,
     last_at, day, source)
values
    ('2025-03-03/1', 1, 2, 1, 0, 1, 0, 0, 1, '{}', '2025-03-03 00:00+00',
     '2025-03-03 01:00+00', '2025-03-03', 'events'),
    ('2025-03-03/-', null, 9, 0, 0, 9, 0, 0, 3, '{}', '2025-03-03 00:00+00',
     '2025-03-03 01:00+00', '2025-03-03', 'events'),
    ('2025-03-04/2', 2, 1, 0, 0, 1, 0, 0, 1, '{}', '2025-03-04 00:00+00',
     '2025-03-04 00:00+00', '2025-03-04', 'events'),
    ('2025-03-10/1', 1, 1, 0, 0, 1, 0, 0, 1, '{}', '2025-03-10 00:00+00',
     '2025-03-10 00:00+00', '2025-03-10', 'events');

insert into raw.subscription_events (id, user_id, event, from_tier, to_tier, mrr, occurred_at, day, source)
values
    (1, 6, 'upgrade', 'free', 'starter', 19.00, '2025-02-27 00:00+00', '2025-02-27', 'app_database'),
    (2, 1, 'start', null, 'free', 0, '2025-03-03 00:00+00', '2025-03-03', 'app_database'),
    (3, 2, 'start', null, 'starter', 15.20, '2025-03-09 23:59:59+00', '2025-03-09', 'app_database'),
    (4, 1, 'upgrade', 'free', 'starter', 19.99, '2025-03-10 06:00+00', '2025-03-10', 'app_database'),
    (5, 2, 'cancel', 'starter', 'free', 0, '2025-03-12 10:00+00', '2025-03-12', 'app_database'),
    (6, 2, 'upgrade', 'free', 'starter', 19.00, '2025-03-12 20:00+00', '2025-03-12', 'app_database'),
    (7, 4, 'start', null, 'business', 149.01, '2025-03-14 00:00+00', '2025-03-14', 'app_database'),
    (8, 6, 'upgrade', 'starter', 'professional', 49.00, '2025-03-15 00:00+00', '2025-03-15', 'app_database'),
    (9, 5, 'start', null, 'business', 99.00, '2025-03-18 08:00+00', '2025-03-18', 'app_database'),
    (10, 6, 'downgrade', 'professional', 'starter', 19.00, '2025-03-20 00:00+00', '2025-03-20', 'app_database'),
    (11, 4, 'downgrade', 'business', 'professional', 49.00, '2025-03-22 00:00+00', '2025-03-22', 'app_database'),
    (12, 1, 'renew', 'starter', 'starter', 19.99, '2025-03-30 00:00+00', '2025-03-30', 'app_database'),
    (13, 6, 'cancel', 'starter', 'free', 0, '2025-04-01 00:00+00', '2025-04-01', 'app_database'),
    (14, 6, 'upgrade', 'free', 'professional', 49.00, '2025-04-05 00:00+00', '2025-04-05', 'app_database');

insert into raw.social_media_accounts
    (id, user_id, platform, handle, followers_count, following_count, posts_count, engagement_rate, connected_at,
     last_sync, updated_at, day, source)
values
    (61, 6, 'twitter', 'p', 1, 1, 1, 0.02, '2025-02-26 00:00+00', null, '2025-02-26 00:00+00',
     '2025-02-26', 'app_database'),
    (51, 1, 'twitter', 'p', 1, 1, 1, 0.02, '2025-03-03 06:00+00', null, '2025-03-03 06:00+00',
     '2025-03-03', 'app_database'),
    (52, 2, 'twitter', 'p', 1, 1, 1, 0.02, '2025-03-10 23:59:59+00', null, '2025-03-10 23:59:59+00', '2025-03-10',
     'app_database'),
    (54, 4, 'twitter', 'p', 1, 1, 1, 0.02, '2025-03-12 12:00+00', null, '2025-03-12 12:00+00',
     '2025-03-12', 'app_database');

insert into raw.social_posts
    (id, user_id, account_id, platform, content, hashtags, media_type, status, scheduled_time, published_time,
     ai_generated, created_at, updated_at, day, source)
values
    (60, 6, 61, 'twitter', 'a', null, 'text', 'published', null, '2025-02-27 12:00+00', false,
     '2025-02-27 12:00+00', '2025-02-27 12:00+00', '2025-02-27', 'app_database'),
    (11, 1, 51, 'twitter', 'b', null, 'text', 'published', null, '2025-03-05 06:00+00', false,
     '2025-03-04 06:00+00', '2025-03-05 06:00+00', '2025-03-05', 'app_database'),
    (12, 1, 51, 'twitter', 'c', null, 'text', 'published', null, '2025-03-19 23:59:59+00', false,
     '2025-03-19 00:00+00', '2025-03-19 23:59:59+00', '2025-03-19', 'app_database'),
    (13, 1, 51, 'twitter', 'd', null, 'text', 'published', null, '2025-03-20 00:00+00', false,
     '2025-03-19 00:00+00', '2025-03-20 00:00+00', '2025-03-20', 'app_database'),
    (21, 2, 52, 'twitter', 'e', null, 'text', 'draft', null, null, false,
     '2025-03-11 23:59:59+00', '2025-03-11 23:59:59+00', '2025-03-11', 'app_database'),
    (31, 3, 900, 'twitter', 'f', null, 'text', 'published', null, '2025-03-11 00:00+00', false,
     '2025-03-11 00:00+00', '2025-03-11 00:00+00', '2025-03-11', 'app_database'),
    (41, 4, 54, 'twitter', 'g', null, 'text', 'published', null, '2025-03-12 18:00+00', false,
     '2025-03-12 12:00+00', '2025-03-12 18:00+00', '2025-03-12', 'app_database');

insert into raw.post_metrics
    (id, post_id, collected_at, likes_count, comments_count, shares_count, clicks_count, reach, impressions, day, source)
values
    (1, 60, '2025-02-28 12:00+00', 1, 0, 0, 0, 10, 20, '2025-02-28', 'app_database'),
    (2, 11, '2025-03-05 12:00+00', 0, 0, null, 0, 10, 20, '2025-03-05', 'app_database'),
    (3, 11, '2025-03-06 06:00+00', 0, 1, 0, 0, 10, 20, '2025-03-06', 'app_database'),
    (4, 11, '2025-03-12 07:00+00', 10, 1, 1, 0, 50, 60, '2025-03-12', 'app_database'),
    (5, 31, '2025-03-18 00:00+00', 7, 1, 0, 0, 50, 60, '2025-03-18', 'app_database'),
    (6, 41, '2025-03-19 18:00+00', 0, 0, 0, 0, 50, 60, '2025-03-19', 'app_database'),
    (7, 12, '2025-03-27 00:00+00', 20, 0, 0, 0, 50, 60, '2025-03-27', 'app_database'),
    (8, 13, '2025-03-27 00:00+00', 900, 0, 0, 0, 50, 60, '2025-03-27', 'app_database');

insert into raw.experiments (id, key, name, metric, status, started_at, ended_at, updated_at, day, source)
values
    (1, 'coach', 'Caption coach', 'engagement_score', 'completed', '2025-03-05 00:00+00', '2025-03-20 00:00+00',
     '2025-03-20 00:00+00', '2025-03-20', 'app_database'),
    (2, 'dark', 'Dark mode', 'sessions', 'running', '2025-03-09 00:00+00', null,
     '2025-03-09 00:00+00', '2025-03-09', 'app_database'),
    (3, 'checklist', 'Checklist', 'activation', 'completed', '2025-03-03 00:00+00', '2025-03-31 00:00+00',
     '2025-03-31 00:00+00', '2025-03-31', 'app_database'),
    (4, 'music', 'Music', 'happiness', 'running', '2025-03-03 00:00+00', null,
     '2025-03-03 00:00+00', '2025-03-03', 'app_database');

insert into raw.experiment_assignments (id, experiment_id, user_id, variant, assigned_at, day, source)
values
    (1, 1, 1, 'control', '2025-03-05 00:00+00', '2025-03-05', 'app_database'),
    (2, 1, 2, 'treatment', '2025-03-10 00:00+00', '2025-03-10', 'app_database'),
    (3, 1, 3, 'treatment', '2025-03-10 00:00+00', '2025-03-10', 'app_database'),
    (4, 1, 3, 'control', '2025-03-11 00:00+00', '2025-03-11', 'app_database'),
    (5, 1, 4, 'treatment', '2025-03-12 00:00+00', '2025-03-12', 'app_database'),
    (6, 2, 1, 'control', '2025-03-09 23:59:59+00', '2025-03-09', 'app_database'),
    (7, 2, 2, 'treatment', '2025-03-10 00:00+00', '2025-03-10', 'app_database'),
    (8, 2, 4, 'treatment', '2025-03-13 12:00+00', '2025-03-13', 'app_database'),
    (9, 3, 1, 'control', '2025-03-03 00:00+00', '2025-03-03', 'app_database'),
    (10, 3, 6, 'control', '2025-03-03 00:00+00', '2025-03-03', 'app_database'),
    (11, 3, 3, 'control', '2025-03-10 00:00+00', '2025-03-10', 'app_database'),
    (12, 3, 2, 'treatment', '2025-03-09 23:59:59+00', '2025-03-09', 'app_database'),
    (13, 3, 4, 'treatment', '2025-03-12 00:00+00', '2025-03-12', 'app_database'),
    (14, 4, 1, 'control', '2025-03-03 00:00+00', '2025-03-03', 'app_database'),
    (15, 5, 1, 'a', '2025-03-03 00:00+00', '2025-03-03', 'app_database');
