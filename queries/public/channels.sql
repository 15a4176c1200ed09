-- Channels
-- By what kind of way sessions came: Direct, Organic Search, Referral, Email … All page views of a session count for
-- its channel.
--
-- chart: bars of visitors by channel
-- group: Traffic
-- order: 12
-- tab: Sources
-- rollup: channels
-- click: channel
-- column channel: text, its name; null where it is not known
-- column visitors: count, distinct cookies; who came by two channels counts in both
-- column sessions: count, sessions that began in the period
-- column views: count, page views
-- column bounce_rate: percent, of the sessions had one page view
-- column duration: duration, of a session on average
select
  nullif(channel, '') as channel,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views,
  1e2 * {{ bounces() }} / nullif({{ sessions() }}, 0) as bounce_rate,
  1e0 * {{ duration() }} / nullif({{ sessions() }}, 0) as duration
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, channel") }}
{{ limit() }}
