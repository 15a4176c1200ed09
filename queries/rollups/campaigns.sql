-- Campaigns
-- Page views of sessions that came by a marked link, by each of its five marks.
--
-- key: mark(12), campaign(150)
-- sum: views, sessions, second_views, seconds
select
  m.mark,
  case m.mark
    when 'utm_source' then utm_source
    when 'utm_medium' then utm_medium
    when 'utm_campaign' then utm_campaign
    when 'utm_term' then utm_term
    else utm_content
  end as campaign,
  day,
  case m.mark
    when 'utm_source' then {{ prev_day("utm_source") }}
    when 'utm_medium' then {{ prev_day("utm_medium") }}
    when 'utm_campaign' then {{ prev_day("utm_campaign") }}
    when 'utm_term' then {{ prev_day("utm_term") }}
    else {{ prev_day("utm_content") }}
  end as prev_day,
  sum(views) as views,
  sum(sessions) as sessions,
  sum(second_views) as second_views,
  sum(seconds) as seconds
from hits
cross join (
  select 'utm_source' as mark
  union all select 'utm_medium'
  union all select 'utm_campaign'
  union all select 'utm_term'
  union all select 'utm_content'
) m
where (utm_source <> '' or utm_medium <> '' or utm_campaign <> '' or utm_term <> '' or utm_content <> '')
  and case m.mark
    when 'utm_source' then utm_source
    when 'utm_medium' then utm_medium
    when 'utm_campaign' then utm_campaign
    when 'utm_term' then utm_term
    else utm_content
  end <> ''
group by 1, 2, 3, 4
