-- Visits
-- Visitors and page views of each day, quiet days included.
--
-- chart: timeseries of users, views by date
-- group: As Crumby 0.7.1 had them
-- order: 90
-- panel: closed
-- column date: date, the day, in the report's time zone
-- column users: count, visitors: distinct cookies of that day
-- column views: count, page views
select
  date(c.datetime) as date,
  coalesce(v.users, 0) as users,
  coalesce(v.views, 0) as views
from calendar c
left join (
  select
    {{ day("datetime") }} as date,
    count(distinct cid) as users,
    count(*) as views
  from visits
  where {{ period("datetime") }} and {{ filters() }}
  group by 1
) v on v.date = date(c.datetime)
where c.datetime between :t0 and :t1
{{ order_by("date") }}
{{ limit() }}
