-- Devices
-- What visitors hold in their hands: a desktop, a mobile or a tablet.
--
-- chart: bars of visitors by device
-- group: Traffic
-- order: 39
-- tab: Technology
-- rollup: devices
-- click: device
-- column device: device, desktop, mobile or tablet; null where it is not known
-- column visitors: count, distinct cookies
-- column sessions: count, sessions that began in the period
-- column views: count, page views
select
  nullif(device, '') as device,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("visitors desc, device") }}
{{ limit() }}
