with participants as (

    select * from {{ ref('int_experiment_users') }}

),

sessions as (

    select
        participants.experiment_id,
        participants.user_id,
        count(*) as sessions,
        coalesce(sum(sessions.duration_seconds), 0) as session_seconds,
        count(distinct sessions.day) as active_days
    from participants
    inner join {{ ref('fact_sessions') }} as sessions
        on
            participants.user_id = sessions.user_id
            and participants.measured_from <= sessions.started_at
            and participants.measured_to > sessions.started_at
    where participants.metric in ('sessions', 'session_seconds', 'active_days')
    group by 1, 2

),

posts as (

    select
        participants.experiment_id,
        participants.user_id,
        count(*) as posts_published,
        avg(posts.mature_engagement_score) as engagement_score,
        avg(posts.mature_engagement_total) as engagement_total
    from participants
    inner join {{ ref('fact_posts') }} as posts
        on
            participants.user_id = posts.user_id
            and participants.measured_from <= posts.published_at
            and participants.measured_to > posts.published_at
    where participants.metric in ('posts_published', 'engagement_score', 'engagement_total')
    group by 1, 2

),

-- How many follow each participant's account at the assignment, asked in the four weeks before; of an account that came
-- later, when it was first asked.
followers as (

    select distinct on (participants.experiment_id, participants.user_id, accounts.account_id)
        participants.experiment_id,
        participants.user_id,
        accounts.account_id,
        ln(1 + accounts.followers::double precision) as log_followers
    from participants
    inner join {{ ref('fact_social_daily') }} as accounts
        on
            participants.user_id = accounts.user_id
            and accounts.day >= {{ utc_day('participants.measured_from') }} - 28
            and participants.measured_to > accounts.observed_at
    where participants.scale = 'log' and accounts.followers is not null
    order by
        participants.experiment_id,
        participants.user_id,
        accounts.account_id,
        accounts.observed_at >= participants.measured_from,
        abs(extract(epoch from accounts.observed_at - participants.measured_from))

),

post_engagement as (

    select
        participants.experiment_id,
        participants.user_id,
        posts.platform,
        followers.log_followers,
        ln(1 + case participants.metric
            when 'engagement_score' then posts.mature_engagement_score
            when 'engagement_total' then posts.mature_engagement_total
        end::double precision) as log_engagement
    from participants
    inner join {{ ref('fact_posts') }} as posts
        on
            participants.user_id = posts.user_id
            and participants.measured_from <= posts.published_at
            and participants.measured_to > posts.published_at
    left join followers
        on
            participants.experiment_id = followers.experiment_id
            and participants.user_id = followers.user_id
            and posts.account_id = followers.account_id
    where participants.scale = 'log' and posts.mature_engagement_score is not null

),

-- Usual is what all participants' posts on the platform have, by the line of log engagement on log followers. The line
-- is the same for each variant, so that whatever is off in it is off in all.
beyond_the_usual as (

    select
        experiment_id,
        user_id,
        log_engagement
        - avg(log_engagement) over by_platform
        - coalesce(
            regr_slope(log_engagement, log_followers) over by_platform
            * (log_followers - avg(log_followers) over by_platform),
            0
        ) as log_beyond
    from post_engagement
    window by_platform as (partition by experiment_id, platform)

),

engagement as (

    select
        experiment_id,
        user_id,
        avg(log_beyond) as log_beyond
    from beyond_the_usual
    group by 1, 2

),

ai as (

    select
        participants.experiment_id,
        participants.user_id,
        count(*) as ai_requests,
        coalesce(sum(requests.tokens), 0) as ai_tokens,
        coalesce(sum(requests.cost), 0) as ai_cost
    from participants
    inner join {{ ref('fact_ai_requests') }} as requests
        on
            participants.user_id = requests.user_id
            and participants.measured_from <= requests.created_at
            and participants.measured_to > requests.created_at
    where participants.metric in ('ai_requests', 'ai_tokens', 'ai_cost')
    group by 1, 2

),

revenue as (

    select
        participants.experiment_id,
        participants.user_id,
        sum(events.mrr_change) as mrr
    from participants
    inner join {{ ref('fact_subscription_events') }} as events
        on
            participants.user_id = events.user_id
            and participants.measured_from <= events.occurred_at
            and participants.measured_to > events.occurred_at
    where participants.metric = 'mrr'
    group by 1, 2

),

measured as (

    select
        participants.*,
        case
            when participants.measured_from >= participants.measured_to then null
            -- Who had done it before can no longer be moved.
            when participants.first_done_at < participants.measured_from then null
            when participants.metric_type = 'share'
                then coalesce(participants.first_done_at < participants.measured_to, false)::integer
            when participants.metric = 'sessions' then coalesce(sessions.sessions, 0)
            when participants.metric = 'session_seconds' then coalesce(sessions.session_seconds, 0)
            when participants.metric = 'active_days' then coalesce(sessions.active_days, 0)
            when participants.metric = 'posts_published' then coalesce(posts.posts_published, 0)
            when participants.metric = 'engagement_score' then posts.engagement_score
            when participants.metric = 'engagement_total' then posts.engagement_total
            when participants.metric = 'ai_requests' then coalesce(ai.ai_requests, 0)
            when participants.metric = 'ai_tokens' then coalesce(ai.ai_tokens, 0)
            when participants.metric = 'ai_cost' then coalesce(ai.ai_cost, 0)
            when participants.metric = 'mrr' then coalesce(revenue.mrr, 0)
        end as value,
        engagement.log_beyond
    from participants
    left join sessions
        on participants.experiment_id = sessions.experiment_id and participants.user_id = sessions.user_id
    left join posts
        on participants.experiment_id = posts.experiment_id and participants.user_id = posts.user_id
    left join engagement
        on participants.experiment_id = engagement.experiment_id and participants.user_id = engagement.user_id
    left join ai
        on participants.experiment_id = ai.experiment_id and participants.user_id = ai.user_id
    left join revenue
        on participants.experiment_id = revenue.experiment_id and participants.user_id = revenue.user_id

)

select
    -- ids
    experiment_id,
    user_id,

    -- the experiment
    experiment_key,
    experiment_name,
    status,
    started_at,
    ended_at,
    metric,
    metric_type,
    scale,
    better_when,

    -- the user in it
    variant,
    is_in_several_variants,
    measured_from,
    measured_to,
    value::numeric(20, 6) as value,
    case scale when 'log' then log_beyond when 'linear' then value end::numeric(20, 6) as compared_value
from measured
