-- Campaigns
-- Sessions that came by a marked link, by one of its five marks. Sessions without that mark are left out.
--
-- chart: bars of visitors by campaign
-- group: Traffic
-- order: 13
-- tab: Sources
-- rollup: campaigns
-- parameter by: text = utm_campaign (utm_source | utm_medium | utm_campaign | utm_term | utm_content), which mark
-- column campaign: text, what the mark says
-- column visitors: count, distinct cookies; who came by two links counts in both
-- column sessions: count, sessions that began in the period
-- column views: count, page views
-- column bounce_rate: percent, of the sessions had one page view
-- column duration: duration, of a session on average
select
  campaign,
  {{ visitors() }} as visitors,
  {{ sessions() }} as sessions,
  {{ views() }} as views,
  1e2 * {{ bounces() }} / nullif({{ sessions() }}, 0) as bounce_rate,
  1e0 * {{ duration() }} / nullif({{ sessions() }}, 0) as duration
{% if rolled %}
from {{ visits() }}
where mark = :by
{% else %}
from (
  select
    cid, session, seq, gap,
    case :by
      when 'utm_source' then utm_source
      when 'utm_medium' then utm_medium
      when 'utm_campaign' then utm_campaign
      when 'utm_term' then utm_term
      when 'utm_content' then utm_content
    end as campaign
  from {{ visits() }}
  where {{ period("datetime") }} and {{ filters() }}
) marked
where campaign <> ''
{% endif %}
group by campaign
having {{ some() }}
{{ order_by("visitors desc, campaign") }}
{{ limit() }}
