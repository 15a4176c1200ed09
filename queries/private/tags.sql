-- Tags
-- Page views by the tag that the page's script said, such as a campaign, a version of the page or a part of the site.
-- Views without one are left out.
--
-- chart: bars of visitors by tag
-- group: Traffic
-- order: 14
-- tab: Sources
-- panel: closed
-- click: tag
-- column tag: text, as the attribute data-tag has it
-- column visitors: count, distinct cookies; who saw pages of two tags counts in both
-- column sessions: count, sessions that began with it
-- column views: count, page views
select
  tag,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from visits
where {{ period("datetime") }} and {{ filters() }} and tag <> ''
group by tag
{{ order_by("visitors desc, tag") }}
{{ limit() }}
