// Crumby's tracker: a visit for each page, an event at each cmb.event(name, value, properties), and none of them lost.
//
// This is the core, of 1,000 bytes as it is sent; the files beside it are the pieces. The server joins what a page's
// script tag names in its address. What else turns out to be needed comes with one more script, `load`: options and
// extras that an attribute asks for, the word to who is not counted, and help for hits that did not get through.
// A piece is a call of `use`, and may put itself around `send`:
//
//     cmb.use(name, piece)   calls piece(value) where the tag's data-<name> is on, once
//     cmb.hit(kind, keys)    makes a hit of the page as it is, and sends it once `start` has let it
//     cmb.send(hit)          sends it now
//     cmb.load()             gets all pieces that did not come with the script; with them here, sends again what is kept
//     cmb.start()            stands at the end of each script that the server sends
//     cmb.store, cmb.api     localStorage, or an object in its place; where hits go
//
// A hit has the short keys of the wire: see src/crumby/ingest/hit.py.
((on, script, document, location, navigator) => {
  let queued = self.cmb || {};
  if (queued.hit) return;  // included twice, counted once

  // Who asks not to be counted, by either signal, gets no cookie, and neither does a program.
  let cid, quiet = navigator.globalPrivacyControl | navigator.doNotTrack | navigator.webdriver;
  let go, from = document.referrer, pending, store = {};

  // The tag's attributes, laid over what the server has on for all.
  Object.assign(on, script.dataset);
  let ready = new Promise(resolve => go = resolve);

  // A visitor is a random number, kept 13 months from the first visit and never renewed. Where no cookie is kept, none is
  // sent, and nothing is stored. Of data-cid, `none` alone is beyond `m`.
  let cookie = () => cid = (' ' + document.cookie).split(/.* cid=|;.*/)[1];
  try {
    store = localStorage || store;
    on.cid > 'm' | quiet || store.cmb || cookie() || cookie(
      document.cookie = 'cid=' + Math.random().toFixed(19).slice(2) + ';path=/;Max-Age=34111111;'
        + (location > 'https' && 'secure')
    );
  } catch (blocked) {}

  // What may be a reason to count nothing, or not yet, stands among the attributes, and has `start` ask for the options.
  on[(quiet | document.prerendering) + location + store.cmb] = 0;

  let flush = () => pending && cmb.visit();
  let cmb = self.cmb = {
    api: new URL(on.api, script.src || location),
    event(en, ev, ep) { cmb.hit('event', { en: en + '', ev: [ev] + '', ep }); },
    visit(more) {
      cmb.hit('visit', more);
      from = pending || location.href;
      pending = 0;
    },
    use(name, piece) {
      if (name in on && on[name] != 'false') piece(on[name]);
      delete on[name];
    },
    // A hit is kept until an answer says that it is stored (204) or not wanted (403): both leave 5 of 199. A service
    // worker's own answer, with status 200, says nothing.
    send(hit, key = 'cmb:' + hit.id, body = JSON.stringify(hit)) {
      try { store[key] = body; } catch (full) {}
      fetch(cmb.api, { body, keepalive: 1, method: 'POST', credentials: 'omit' })
        .then(answer => answer.status % 199 - 5 ? cmb.load() : delete store[key], cmb.load);
    },
    load() {
      document.head.append(Object.assign(document.createElement('script'), {
        onerror: () => setTimeout(cmb.load, 5000),
        nonce: script.nonce,
        src: script.src + '?only',
      }));
    },
    // The order of these, as of all of it, is the one that gzip makes least of.
    hit(t, more) {
      let hit = Object.assign({
        t,
        dt: document.title,
        dr: from,
        dl: pending || location.href,
        de: document.charset,
        ul: navigator.language,
        sr: screen.width + 'x' + screen.height,
        cid,
        // 32 digits: the server stores one hit of several attempts. The first 13 are the time in ms.
        id: Date.now() + Math.random().toFixed(19).slice(2),
        sd: screen.colorDepth + '-bit',
      }, more);
      ready.then(() => cmb.send(hit));
    },
    // Nothing is sent before an option that the tag asks for is here: these are the letters that options and extras begin
    // with (404, a number, comes before all others), and signs of a reason: a 1 or a file in the last, an opt-out's word.
    start() {
      cmb.start = go;
      if (/^4|,(0f|[1bdefhiotv]|ca)|localh|#cr|:..127/.test(Object.keys(on))) cmb.load();
      else go();
    },
    store,
  };

  if (/cmb:/.test(Object.keys(store))) cmb.load();  // kept by the page before

  if (on.auto != 'false') {
    cmb.visit();
    // Each change of address is a visit, with the title that a router sets in a moment. Browsers that do not tell of it
    // get what tells them by `load`.
    (self.navigation || cmb.load() || self).addEventListener('currententrychange', () => {
      if ((pending || from).split('#')[0] == location.href.split('#')[0]) return;
      flush();
      pending = location.href;
      setTimeout(flush, 99);
    });
    addEventListener('pageshow', event => event.persisted && cmb.visit());
    addEventListener('pagehide', flush);
  }
  if (queued.q) queued.q.map(words => cmb.event(...words));
})(__DEFAULTS__, document.currentScript, document, location, navigator);
