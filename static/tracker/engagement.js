// Seconds in which the page was seen and in focus: a clock would count those of a closed lid as well. And how far down
// it has been in view. Its visit is told of them when the page is hidden or left, or another visit begins.
cmb.use('engagement', () => {
  let visit, seconds, told, bottom, send = cmb.send;
  let look = () => bottom = Math.max(bottom, scrollY + innerHeight);
  let tell = () => {
    if (!(seconds > told)) return;
    look();
    cmb.hit('engagement', {
      id: visit.id,
      dl: visit.dl,
      es: told = seconds,
      sp: Math.min(100, Math.round(100 * bottom / ((document.scrollingElement || document.documentElement).scrollHeight || 1))),
    });
  };
  cmb.send = hit => {
    if (hit.t == 'visit') {
      tell();
      visit = hit;
      seconds = told = bottom = 0;
    }
    send(hit, hit.es && 'cmb-');  // a key for all: the page is left before it is known that the last one came
  };
  setInterval(() => { if (!document.hidden && document.hasFocus() && seconds < 86400) seconds++; }, 1000);
  addEventListener('scroll', look);
  document.addEventListener('visibilitychange', () => document.hidden && tell());
  addEventListener('pagehide', tell);
});
