-- Traffic
-- Visitors, sessions and page views by hour, day, week or month. A visitor counts in each of these, so that they do
-- not add up to the visitors of the period. A session counts where it began; a bounce is one of a single page view.
--
-- chart: timeseries of visitors, views by date
-- group: Traffic
-- order: 2
-- rollup: totals
-- fill: date
-- column date: moment, in the report's time zone
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began then
-- column views: count, page views
-- column views_per_session: number, page views for each session
-- column bounce_rate: percent, of the sessions had one page view
-- column duration: duration, of a session on average
select
  {{ bucket("datetime") }} as date,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views,
  1e0 * {{ session_views() }} / nullif({{ sessions() }}, 0) as views_per_session,
  1e2 * {{ bounces() }} / nullif({{ sessions() }}, 0) as bounce_rate,
  1e0 * {{ duration() }} / nullif({{ sessions() }}, 0) as duration
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
{{ order_by("date") }}
{{ limit() }}
