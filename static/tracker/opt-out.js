// A sentence and a button, where its tag stands: whether this browser's visits of this site are counted, and the choice.
// It is a script of its own, for the page on which a site tells of privacy. The choice is kept where the tracker looks for
// it: `cmb` in localStorage. Each text can be said otherwise, by an attribute of the tag.
((script, store) => {
  let quiet = navigator.globalPrivacyControl | navigator.doNotTrack | 0;
  let text = Object.assign({
    counted: 'Your visits to this site are counted.',
    not: 'Your visits to this site are not counted, in this browser.',
    stop: 'Do not count me',
    again: 'Count me again',
    signal: 'Your browser asks not to be counted (Global Privacy Control or Do Not Track), so your visits to this site are not counted.',
    blocked: 'Your browser lets this site keep nothing, so it can not keep your choice either.',
  }, script.dataset);
  try {
    store = localStorage;
    store.length;
  } catch (blocked) {}

  let box = document.createElement('div'), words = document.createElement('p'), button = document.createElement('button');
  let draw = () => {
    let out = store && store.cmb;
    words.textContent = out ? text.not : quiet ? text.signal : store ? text.counted : text.counted + ' ' + text.blocked;
    button.textContent = out ? text.again : text.stop;
    button.hidden = !store || (quiet && !out);
  };
  button.type = 'button';
  button.onclick = () => {
    if (store.cmb) {
      delete store.cmb;
    } else {
      // The page's own tracker is to send nothing more, nor what it has kept.
      if (window.cmb) cmb.send = () => {};
      for (let key of Object.keys(store)) if (/^cmb[:-]/.test(key)) delete store[key];
      if (/(^| )cid=\d{19}(;|$)/.test(document.cookie)) document.cookie = 'cid=;Path=/;Max-Age=0';
      store.cmb = '#crumby-opt-out';
    }
    draw();
  };
  box.className = 'crumby-opt-out';
  words.setAttribute('role', 'status');  // what changes there is read out
  box.append(words, button);
  addEventListener('storage', draw);  // of another window
  draw();
  if (document.head.contains(script)) addEventListener('DOMContentLoaded', () => document.body.append(box));
  else script.after(box);
})(document.currentScript);
