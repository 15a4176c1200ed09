-- Live
-- The last half hour, minute by minute, whatever the period.
--
-- chart: bars of visitors, views by minute
-- group: Traffic
-- order: 3
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
)
select
  m.minute,
  {{ visitors("a") }} as visitors,
  count(a.age) as views
from minutes m
left join ages a on a.age >= m.minute * 60 and a.age < m.minute * 60 + 60
group by m.minute
{{ order_by("minute desc") }}
{{ limit() }}
