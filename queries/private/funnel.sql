-- Funnel
-- Who took one step after the other. A step that begins with "/" is a page that is viewed, any other is an event; an
-- asterisk at its end stands for anything: "/blog/*". A visitor takes a step after the one before, be it in a later
-- session; all of them lie in the period. Without a step there is nothing to see.
--
-- chart: bars of visitors by step
-- group: Actions
-- order: 51
-- tab: Goals
-- parameter step_1: text, name of an event or path of a page
-- parameter step_2: text, the next
-- parameter step_3: text, the next
-- parameter step_4: text, the next
-- parameter step_5: text, the next
-- column place: integer, of the step
-- column step: text, as it was asked for
-- column visitors: count, distinct cookies that got as far
-- column of_first: percent, of those who took the first step
-- column of_previous: percent, of those who took the step before
with asked as (
  select 1 as number, :step_1 as step
  union all select 2, :step_2
  union all select 3, :step_3
  union all select 4, :step_4
  union all select 5, :step_5
),
steps as (
  select
    row_number() over (order by number) as place,
    step,
    {% if dialect == "mysql" %}char_length{% else %}length{% endif %}(step) - 1 as stem
  from asked
  where step <> ''
),
hits as (
  select s.place, v.cid, v.datetime
  from steps s
  join visits v on v.page = s.step or {{ concat("substr(v.page, 1, s.stem)", "'*'") }} = s.step
  where {{ period("v.datetime") }} and {{ filters("v") }} and v.page like '/%' and v.cid is not null
  union all
  select s.place, e.cid, e.datetime
  from steps s
  join events e on e.name = s.step or {{ concat("substr(e.name, 1, s.stem)", "'*'") }} = s.step
  where {{ period("e.datetime") }} and {{ event_filters("e") }} and e.name not like '/%' and e.cid is not null
),
{% if dialect == "clickhouse" %}
reached_5 as (
  select
    arrayFold(
      (last, hit) -> if(hit.2 = last.1 + 1 and hit.1 > last.2, (hit.2, hit.1), last),
      arraySort(groupArray((datetime, place))),
      (toUInt64(0), toDateTime64(0, 6, 'UTC'))
    ).1 as deepest
  from hits
  group by cid
),
{% else %}
reached_1 as (
  select cid, 1 as deepest, min(datetime) as at from hits where place = 1 group by cid
),
reached_2 as (
  select r.cid, r.deepest + count(distinct h.place) as deepest, min(h.datetime) as at
  from reached_1 r left join hits h on h.cid = r.cid and h.place = 2 and h.datetime > r.at
  group by r.cid, r.deepest
),
reached_3 as (
  select r.cid, r.deepest + count(distinct h.place) as deepest, min(h.datetime) as at
  from reached_2 r left join hits h on h.cid = r.cid and h.place = 3 and h.datetime > r.at
  group by r.cid, r.deepest
),
reached_4 as (
  select r.cid, r.deepest + count(distinct h.place) as deepest, min(h.datetime) as at
  from reached_3 r left join hits h on h.cid = r.cid and h.place = 4 and h.datetime > r.at
  group by r.cid, r.deepest
),
reached_5 as (
  select r.cid, r.deepest + count(distinct h.place) as deepest, min(h.datetime) as at
  from reached_4 r left join hits h on h.cid = r.cid and h.place = 5 and h.datetime > r.at
  group by r.cid, r.deepest
),
{% endif %}
counted as (
  select s.place, s.step, count(case when r.deepest >= s.place then 1 end) as visitors
  from steps s left join reached_5 r on 1 = 1
  group by s.place, s.step
)
select
  place,
  step,
  visitors,
  1e2 * visitors / nullif(first_value(visitors) over (order by place), 0) as of_first,
  1e2 * visitors / nullif(coalesce(lag(nullif(visitors, -1)) over (order by place), visitors), 0) as of_previous
from counted
{{ order_by("place") }}
{{ limit() }}
