// Crumby: a visit for this page, how long it was looked at, and an event at each cmb.event(name, value).
(() => {
  // Included twice, counted once.
  if (window.cmb && window.cmb.event) return;

  // Hits go to the configured DOMAIN, or else to the folder this script came from.
  const domain = '__DOMAIN__', script = document.currentScript;
  const base = new URL(domain ? '//' + domain + '/' : '.', script && script.src || location.href);

  const hex = bytes => [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map(byte => (byte + 256).toString(16).slice(1)).join('');

  // A visitor is a random number, kept 13 months from the first visit and never renewed.
  let cid = hex(8);
  try {
    const kept = /(?:^|; )cid=([^;]+)/.exec(document.cookie);
    if (kept) cid = kept[1].replace(/[^\w.-]/g, '').slice(-32) || cid;
    else document.cookie = 'cid=' + cid + ';Max-Age=34128000;Path=/;SameSite=Lax'
      + (location.protocol == 'https:' ? ';Secure' : '');
  } catch (noCookies) {}

  // The server keeps 2048 characters. A text cut inside an emoji ends in half a character, and stores refuse it.
  const fit = (key, value) => {
    const cut = value.slice ? value.slice(0, 2048) : value;
    return cut.toWellFormed ? cut.toWellFormed() : cut;
  };

  const send = (t, more) => {
    // The id lets the server store one hit of several attempts; its first 12 digits are the time in ms.
    const id = Date.now().toString(16).padStart(12, '0') + hex(10);
    const hit = Object.assign({ v: 2, id, t, cid }, more);
    const body = JSON.stringify(hit, fit);
    const url = base + 'hit';
    const gif = () => { new Image().src = base + Date.now() + '.gif?' + new URLSearchParams(JSON.parse(body)); };

    // Where a page's policy forbids fetch, sendBeacon says yes and sends nothing: only the image remains.
    if (window.fetch) {
      fetch(url, { method: 'POST', body, mode: 'no-cors', credentials: 'omit', keepalive: true }).catch(gif);
    } else if (!navigator.sendBeacon || !navigator.sendBeacon(url, body)) gif();
    return id;
  };

  const here = more => Object.assign({ dl: location.href, dt: document.title }, more);

  const visit = () => send('visit', here({
    ul: navigator.language || '',
    sd: screen.colorDepth + '-bit',
    sr: screen.width + 'x' + screen.height,
    de: document.characterSet,
    dr: document.referrer,
  }));

  window.cmb = { event: (name, value) => send('event', here({ en: String(name), ev: String(value) })) };

  // Seconds in which the page was seen and in focus: a clock would count those of a closed lid as well.
  let seconds = 0, told = 0, bottom = 0;
  setInterval(() => { if (!document.hidden && document.hasFocus() && seconds < 86400) seconds++; }, 1000);
  const look = () => { bottom = Math.max(bottom, scrollY + innerHeight); };
  addEventListener('scroll', look);

  // When the page is hidden or left, its visit is told of them, and how far down the page has been in view.
  const tell = id => {
    if (seconds <= told) return;
    look();
    const height = (document.scrollingElement || document.documentElement).scrollHeight;
    send('engagement', { id, es: told = seconds, sp: Math.min(100, Math.round(100 * bottom / (height || 1))) });
  };
  const begin = () => {
    const id = visit();
    document.addEventListener('visibilitychange', () => { if (document.hidden) tell(id); });
    addEventListener('pagehide', () => tell(id));
  };

  // A page rendered ahead of a click that may never come is no visit yet.
  if (document.prerendering) document.addEventListener('prerenderingchange', begin, { once: true });
  else begin();
})();
