with platforms (platform, platform_name, platform_order) as (

    values
    ('twitter', 'Twitter', 1),
    ('facebook', 'Facebook', 2),
    ('instagram', 'Instagram', 3),
    ('linkedin', 'LinkedIn', 4),
    ('tiktok', 'TikTok', 5)

)

select
    platform::text as platform,
    platform_name::text as platform_name,
    platform_order::integer as platform_order
from platforms
