-- Here now
-- Who viewed a page in the last five minutes, and how many pages were viewed in the last half hour, whatever the period.
--
-- chart: stat of visitors, views
-- group: Live
-- order: 70
-- panel: closed
-- refresh: 30
-- column visitors: count, distinct cookies of the last five minutes
-- column views: count, page views of the last half hour
select
  count(distinct case when session is not null and {{ recent("datetime", 5) }} then cid end) as visitors,
  count(*) as views
from visits
where {{ recent("datetime", 30) }} and {{ filters() }}
{{ limit() }}
