/** A dialog over the page, and what several of them show. */

import { button, make } from "./dom.js";

/** Once the styles of a dialog are there: it is not to be seen without them. @param {string} root @param {string} name */
export function styled(root, name) {
  const href = `${root}/static/${name}`;
  if (document.querySelector(`link[href="${href}"]`)) return null;
  return new Promise((resolve) => {
    const link = make("link", { rel: "stylesheet", href });
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve);
    document.head.append(link);
  });
}

/**
 * @param {string} title @param {...Node} content
 * @returns {HTMLDialogElement}  open; it is gone once it is closed
 */
export function dialog(title, ...content) {
  const id = "dialog-title";
  const node = make(
    "dialog", { "aria-labelledby": id, class: "sheet" },
    make("header", { role: "presentation" }, make("h2", { id }, title), button("×", () => node.close(), { class: "icon", "aria-label": "Close" })),
    ...content,
  );
  node.addEventListener("close", () => node.remove());
  node.addEventListener("click", (event) => { if (event.target === node) node.close(); });
  document.body.append(node);
  node.showModal();
  return node;
}
