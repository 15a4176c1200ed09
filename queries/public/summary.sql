-- Summary
-- The period in one row. A visitor is a cookie, and counts once. A session is a visitor's page views with less than
-- half an hour between them; it counts where it began, and lasts from its first page view to its last. A bounce is a
-- session of one page view.
--
-- chart: stat of visitors, sessions, views, views_per_session, bounce_rate, duration
-- group: Traffic
-- order: 1
-- rollup: totals
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
-- column views_per_session: number, page views for each session
-- column bounce_rate: percent, of the sessions had one page view
-- column duration: duration, of a session on average
select
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views,
  1e0 * {{ session_views() }} / nullif({{ sessions() }}, 0) as views_per_session,
  1e2 * {{ bounces() }} / nullif({{ sessions() }}, 0) as bounce_rate,
  1e0 * {{ duration() }} / nullif({{ sessions() }}, 0) as duration
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
