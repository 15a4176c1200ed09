// Web Vitals, as one event when the page is first hidden or left.
cmb.use('vitals', () => {
  let found = {}, first, last, sum;
  let watch = (type, each) => {
    try {
      new PerformanceObserver(list => list.getEntries().map(each)).observe({ type, buffered: true, durationThreshold: 40 });
    } catch (unknown) {}
  };
  // From when the page was asked for, or shown where it had been rendered ahead.
  let since = time => Math.round(Math.max(0, time - (performance.getEntriesByType('navigation')[0].activationStart || 0)));
  watch('largest-contentful-paint', entry => found.lcp = since(entry.startTime));
  watch('paint', entry => { if (/l/.test(entry.name)) found.fcp = since(entry.startTime); });
  watch('navigation', entry => found.ttfb = since(entry.responseStart));
  watch('event', entry => { if (entry.interactionId) found.inp = Math.max(found.inp || 0, entry.duration); });
  // Where nothing moves, nothing is told, and a browser that does not look tells nothing either.
  if (/layout-shift/.test((window.PerformanceObserver || 0).supportedEntryTypes)) found.cls = 0;
  // Shifts that follow each other within a second, in five at the most, are one; the worst of them counts.
  watch('layout-shift', entry => {
    if (entry.hadRecentInput) return;
    let time = entry.startTime;
    if (!(time < last + 1000 && time < first + 5000)) {
      first = time;
      sum = 0;
    }
    last = time;
    found.cls = Math.max(found.cls, sum += entry.value);
  });
  let tell = () => {
    if (found) cmb.event('Web Vitals', '', found);
    found = 0;
  };
  document.addEventListener('visibilitychange', () => document.hidden && tell());
  addEventListener('pagehide', tell);
});
