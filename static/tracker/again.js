// Help for hits that did not get through: each is sent again, by fetch, or else as an image, until an answer settles it.
// What is kept is sent again by the next page as well. And help for browsers that are older than the Navigation API.
((store, kept, busy) => {
  let attempt = async key => {
    if (!store[key] || busy[key]) return;
    busy[key] = true;
    // The server keeps 2048 characters of a text, and takes no half of an emoji, nor what another program may have put
    // into the cookie.
    let hit = JSON.parse(store[key], (_, text) =>
      typeof text == 'string' ? text.slice(0, 2048).replace(/[\ud800-\udfff]/gu, '\ufffd') : text);
    hit.cid = (hit.cid || '').replace(/[^\w.-]/g, '').slice(-32);
    hit.ago = Math.max(0, Date.now() - hit.id.slice(0, 13));
    let body = JSON.stringify(hit);
    let later = await Promise.resolve()
      .then(() => fetch(cmb.api, { method: 'POST', body, credentials: 'omit', keepalive: true }))
      .then(answer => !/^(204|4(?!29))/.test(answer.status), () => new Promise(done => {
        // Where a page's policy forbids fetch, sendBeacon says yes and sends nothing: so there is always the image.
        if (!(window.Request && 'keepalive' in Request.prototype) && navigator.sendBeacon) navigator.sendBeacon(cmb.api, body);
        if (hit.ep) hit.ep = JSON.stringify(hit.ep);
        Object.assign(new Image(), { onload: () => done(), onerror: done, src: cmb.api + '?v=2&' + new URLSearchParams(hit) });
      }));
    busy[key] = false;
    // After twice the time that it has waited; the server refuses it when it is a day old.
    if (later) setTimeout(attempt, 1000 + hit.ago, key);
    else delete store[key];
  };
  let again = () => kept().map(attempt);
  cmb.load = () => {
    again();
    cmb.start();
  };
  addEventListener('online', again);
  kept().slice(0, -100).map(key => delete store[key]);

  let send = cmb.send;
  cmb.send = (hit, key) => {
    try { send(hit, key); } catch (noFetch) { again(); }
  };
  if (!window.navigation) {
    let tell = () => dispatchEvent(new Event('currententrychange'));
    for (let name of ['pushState', 'replaceState']) {
      let original = history[name];
      history[name] = function () {
        original.apply(this, arguments);
        tell();
      };
    }
    addEventListener('popstate', tell);
  }
  again();
})(cmb.store, () => Object.keys(cmb.store).filter(key => /^cmb[:-]/.test(key)).sort(), {});
