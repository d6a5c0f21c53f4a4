-- Each definition of the product once, as a macro of DuckDB. Moments are timestamps without zone, in UTC.

create or replace macro day_of(moment) as moment::date;

create or replace macro day_end(day) as (day + 1)::timestamp;

create or replace macro quotient(numerator, denominator) as
    case when denominator <> 0 then numerator::double / denominator::double end;

create or replace macro is_any_known(likes, comments, shares) as
    likes is not null or comments is not null or shares is not null;

create or replace macro engagement_total(likes, comments, shares) as
    case
        when is_any_known(likes, comments, shares) then ifnull(likes, 0) + ifnull(comments, 0) + ifnull(shares, 0)
    end;

create or replace macro engagement_score(likes, comments, shares) as
    case
        when is_any_known(likes, comments, shares)
            then 1 * ifnull(likes, 0) + 2 * ifnull(comments, 0) + 3 * ifnull(shares, 0)
    end;

create or replace macro engagement_category(rate) as
    case
        when rate is null then null
        when rate > 0.06 then 'Excellent'
        when rate > 0.03 then 'High'
        when rate > 0.01 then 'Medium'
        else 'Low'
    end;

create or replace macro performance_tier(score, quartiles) as
    case
        when score is null or quartiles is null then null
        when score > quartiles[3] then 'Viral'
        when score > quartiles[2] then 'High'
        when score > quartiles[1] then 'Medium'
        else 'Low'
    end;

-- A day counts as seen on itself: "the last 7 days" are the day and the 6 before it.
create or replace macro user_segment(tenure_days, days_since_last_login, sessions_7d) as
    case
        when tenure_days < 7 then 'New'
        when days_since_last_login <= 6 then if(sessions_7d > 10, 'Power User', 'Active')
        when days_since_last_login <= 29 then 'Inactive'
        else 'Churned'
    end;

-- Counted in tenths, so that each value is the double nearest to it.
create or replace macro churn_risk(days_away, sessions_7d, posts_7d, connected_accounts) as
    least(
        10,
        case when days_away > 14 then 3 when days_away > 7 then 1 else 0 end
        + if(sessions_7d < 2, 2, 0)
        + if(posts_7d = 0, 2, 0)
        + if(connected_accounts = 0, 3, 0)
    ) / 10.0::double;

create or replace macro mrr_movement(mrr_before, mrr_after, has_paid_before) as
    case
        when mrr_after = mrr_before then 'none'
        when mrr_before = 0 and has_paid_before then 'reactivated'
        when mrr_before = 0 then 'new'
        when mrr_after = 0 then 'churned'
        when mrr_after > mrr_before then 'expansion'
        else 'contraction'
    end;

-- Marks belong to the letter before them, but for those that only choose how an emoji looks.
create or replace macro readable(text) as regexp_replace(text, '[\x{FE00}-\x{FE0F}\x{20E3}]', ' ', 'g');

create or replace macro has_word(text, words) as regexp_matches(
    readable(text), '(^|[^\p{L}\p{M}\p{Nd}_])(' || replace(words, ' ', '[\s\p{Z}]+') || ')($|[^\p{L}\p{M}\p{Nd}_])', 'i'
);

create or replace macro content_category(text) as
    case
        when text is null or regexp_full_match(text, '[\s\p{Z}]*') then 'Unknown'
        when has_word(text, 'sale|discount|offer|buy') then 'Promotional'
        when has_word(text, 'tips?|how to|guide|tutorial') then 'Educational'
        when has_word(text, 'behind|team|story|journey') then 'Behind the Scenes'
        when contains(text, '?') or has_word(text, 'question|poll|vote') then 'Interactive'
        else 'General'
    end;
