/** Panels ask some at a time, and those that are seen ask first: forty at once would keep each other waiting. */

const MOST = 6; // requests at once; so many a browser has to one server over HTTP/1.1
const NEAR = "300px 0px"; // what is about to be scrolled to
const PATIENCE = 100; // ms; a tab in the background never hears what is seen

export class Queue {
  #near = new Set();
  #waiting = [];
  #running = 0;
  #begun;

  /** @param {Element[]} nodes  of the panels */
  constructor(nodes) {
    const told = new Promise((resolve) => {
      const watch = new IntersectionObserver((entries) => {
        for (const { target, isIntersecting } of entries) this.#near[isIntersecting ? "add" : "delete"](target);
        resolve();
      }, { rootMargin: NEAR });
      for (const node of nodes) watch.observe(node);
    });
    this.#begun = Promise.race([told, new Promise((resolve) => { setTimeout(resolve, PATIENCE); })]);
  }

  /** Whether a panel is seen, or about to be. @param {Element} node */
  isNear(node) {
    return this.#near.has(node);
  }

  /** Does the task when it is its turn. @param {Element} node @param {() => Promise<any>} task  that does not throw */
  async run(node, task) {
    await this.#begun;
    return new Promise((resolve) => {
      // Those that come at once are all here before the first one's turn.
      if (!this.#waiting.length) setTimeout(() => this.#next());
      this.#waiting.push({ node, task, resolve });
    });
  }

  #next() {
    while (this.#running < MOST && this.#waiting.length) {
      const first = this.#waiting.findIndex(({ node }) => this.#near.has(node));
      const [{ task, resolve }] = this.#waiting.splice(Math.max(0, first), 1);
      this.#running += 1;
      task().then(resolve).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }
}
