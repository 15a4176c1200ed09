-- Platforms
-- The operating systems that visitors use.
--
-- chart: bars of users by platform
-- group: Traffic
-- order: 38
-- tab: Technology
-- rollup: platforms
-- click: platform
-- column platform: platform, operating system
-- column users: count, visitors: distinct cookies
select
  nullif(platform, '') as platform,
  {{ visitors() }} as users
from {{ visits() }}
where {{ period("datetime") }} and {{ filters() }}
group by 1
having {{ some() }}
{{ order_by("users desc, platform") }}
{{ limit() }}
