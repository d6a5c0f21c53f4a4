-- Few things, so that few days are behind and the others have to be right without being built again.
update auth_user set timezone = 'America/Chicago', updated_at = '2026-04-19 23:40+00'
where id = (select min(id) from auth_user);
update social_posts set status = 'failed', published_time = null, updated_at = '2026-04-19 23:41+00'
where id = (select max(id) from social_posts where status = 'published' and published_time < timestamptz '2025-09-01 00:00+00');
update social_posts set published_time = published_time + interval '40 days', updated_at = '2026-04-19 23:42+00'
where id = (select max(id) from social_posts where status = 'published' and published_time < timestamptz '2025-10-01 00:00+00');
update post_metrics set likes_count = 99999
where id = (select max(id) from post_metrics where collected_at < timestamptz '2025-11-11 00:00+00' and post_id < 800000);
update support_tickets set status = 'closed', updated_at = '2026-04-19 23:43+00' where id = (select min(id) from support_tickets);
insert into ai_usage_logs
select 9000001, id, user_id, 1000, 1.5, created_at + interval '3 days' from ai_requests
where id = (select max(id) from ai_requests where created_at < timestamptz '2025-12-12 00:00+00');
update content_generations set quality_score = 0.123 where id = (select min(id) from content_generations where quality_score > 0.5);
