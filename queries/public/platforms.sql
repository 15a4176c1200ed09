-- Platforms
-- The operating systems that visitors use.
--
-- chart: bars of users by platform
-- group: Visitors
-- order: 40
-- column platform: text, operating system
-- column users: integer, visitors: distinct cookies
select
  platform,
  count(distinct cid) as users
from visits
where {{ period("datetime") }}
group by platform
order by 2 desc, coalesce(platform, '')
