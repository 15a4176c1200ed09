-- Exit pages
-- A session ends with each page view, until its next one takes that back from the page before, on the day of that view.
--
-- key: page(512)
-- sum: exits, in_session
select
  case when s.step = 1 then page else prev_page end as page,
  case when s.step = 1 then day else prev_page_day end as day,
  case when s.step = 1 then day else prev_page_day end as prev_day,
  sum(case when s.step = 1 then in_session else -in_session end) as exits,
  sum(case when s.step = 1 then in_session else 0 end) as in_session
from hits
cross join (select 1 as step union all select 2) s
where in_session <> 0 and (s.step = 1 or sessions = 0)
group by 1, 2, 3
