-- Platforms
-- The operating systems that visitors use.
--
-- chart: bars of users by platform
-- group: Visitors
-- order: 40
-- click: platform
-- column platform: platform, operating system
-- column users: count, visitors: distinct cookies
select
  platform,
  count(distinct cid) as users
from visits
where {{ period("datetime") }} and {{ filters() }}
group by platform
{{ order_by("users desc, platform") }}
{{ limit() }}
