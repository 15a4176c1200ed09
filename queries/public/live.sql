-- Live
-- The last half hour, minute by minute, whatever the period.
--
-- chart: bars of visitors, views by minute
-- group: Live
-- order: 69
-- refresh: 30
-- column minute: integer, minutes ago
-- column visitors: count, distinct cookies
-- column views: count, page views
with recursive minutes (minute) as (
  select 0
  union all
  select minute + 1 from minutes where minute < 29
),
ages as (
  select cid, session, {{ seconds(":now") }} - {{ seconds("datetime") }} as age
  from visits
  where {{ recent("datetime", 30) }} and {{ filters() }}
),
counted as (
  select age - age % 60 as since, {{ visitors("a") }} as visitors, count(*) as views
  from ages a
  group by 1
)
select
  m.minute,
  coalesce(c.visitors, 0) as visitors,
  coalesce(c.views, 0) as views
from minutes m
left join counted c on c.since = m.minute * 60
{{ order_by("minute desc") }}
{{ limit() }}
