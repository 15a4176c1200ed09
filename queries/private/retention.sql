-- Retention
-- Visitors whose first page view ever lies in the period, by its week or month, and how many of them came again: age 0
-- is a visitor's first seven days (thirty, of months), age 1 the next. Of the youngest ones the last ages are not over.
--
-- chart: heatmap of share by age, cohort
-- group: Habits
-- order: 56
-- rollup: retention
-- parameter cohort: text = week (week | month), what the first page views are gathered by
-- column cohort: text, Monday of the week, or month, of the first page view
-- column size: count, visitors of the cohort
-- column age: integer, weeks (months of thirty days) after the first page view
-- column visitors: count, those who came then
-- column share: percent, of the cohort
with ages as (
  {% if rolled %}
  select
    {% if cohort == "month" %}{{ month("first_day") }}{% else %}{{ week("first_day") }}{% endif %} as cohort,
    age,
    sum(came) as visitors
  from {{ visits() }}
  where {{ period("first_day") }} and span = {% if cohort == "month" %}30{% else %}7{% endif %}
  group by 1, 2
  having {{ some() }}
  {% else %}
  select cohort, age, count(distinct cid) as visitors
  from (
    select cid, cohort, (elapsed - elapsed % span) / span as age
    from (
      select
        cid,
        {% if cohort == "month" %}
        {{ month(instant("first")) }} as cohort, 2592000 as span,
        {% else %}
        {{ week(instant("first")) }} as cohort, 604800 as span,
        {% endif %}
        {{ seconds("datetime") }} - first as elapsed
      from {{ visits() }}
      where {{ period("datetime") }} and first >= {{ seconds(":start") }} and {{ filters() }}
    ) seen
  ) aged
  group by cohort, age
  {% endif %}
)
select
  a.cohort as cohort,
  s.size,
  a.age,
  a.visitors,
  1e2 * a.visitors / s.size as share
from ages a
join (select cohort, visitors as size from ages where age = 0) s on s.cohort = a.cohort
{{ order_by("cohort, age") }}
{{ limit() }}
