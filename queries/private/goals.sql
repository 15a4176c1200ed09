-- Goals
-- Who did what they were to do. A goal that begins with "/" is a page that is viewed, any other is an event; an asterisk
-- at its end stands for anything: "/blog/*". Without a goal, every event's name is one, but for
-- "Web Vitals", which nobody does.
--
-- chart: bars of visitors by goal
-- group: Actions
-- order: 50
-- tab: Goals
-- rollup: events, totals
-- parameter goal_1: text, name of an event or path of a page
-- parameter goal_2: text, another
-- parameter goal_3: text, another
-- parameter goal_4: text, another
-- parameter goal_5: text, another
-- column goal: text, as it was asked for
-- column visitors: count, distinct cookies that reached it
-- column conversions: count, how often it was reached
-- column rate: percent, of all visitors reached it
{% if goal_1 or goal_2 or goal_3 or goal_4 or goal_5 %}
with asked as (
  select 1 as place, :goal_1 as goal
  union all select 2, :goal_2
  union all select 3, :goal_3
  union all select 4, :goal_4
  union all select 5, :goal_5
),
goals as (
  select place, goal, {% if dialect == "mysql" %}char_length{% else %}length{% endif %}(goal) - 1 as stem from asked where goal <> ''
),
hits as (
  select g.place as reached, v.cid, v.session
  from goals g
  join visits v on v.page = g.goal or {{ concat("substr(v.page, 1, g.stem)", "'*'") }} = g.goal
  where {{ period("v.datetime") }} and {{ filters("v") }} and v.page like '/%'
  union all
  select g.place, e.cid, e.session
  from goals g
  join events e on e.name = g.goal or {{ concat("substr(e.name, 1, g.stem)", "'*'") }} = g.goal
  where {{ period("e.datetime") }} and {{ event_filters("e") }} and e.name not like '/%'
)
select
  g.goal,
  {{ visitors("h") }} as visitors,
  count(h.reached) as conversions,
  1e2 * {{ visitors("h") }} / nullif(
    (select {{ visitors() }} from {{ visits("totals") }} where {{ period("datetime") }} and {{ filters() }}), 0
  ) as rate
from goals g
left join hits h on h.reached = g.place
group by g.place, g.goal
{{ order_by("visitors desc, place") }}
{{ limit() }}
{% else %}
select
  name as goal,
  {{ visitors() }} as visitors,
  {{ views() }} as conversions,
  1e2 * {{ visitors() }} / nullif(
    (select {{ visitors() }} from {{ visits("totals") }} where {{ period("datetime") }} and {{ filters() }}), 0
  ) as rate
from {{ events() }}
where {{ period("datetime") }} and {{ event_filters() }} and name <> '' and name not like '/%'
  and name <> 'Web Vitals'
group by name
having {{ some() }}
{{ order_by("visitors desc, goal") }}
{{ limit() }}
{% endif %}
