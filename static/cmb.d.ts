// What the script puts on a page: window.cmb.

export {};

declare global {
  namespace Crumby {
    type Properties = Record<string, string | number | boolean>;

    /** A hit as it is sent, with its short keys. */
    interface Hit {
      id: string;
      t: "visit" | "event" | "engagement";
      cid?: string;
      /** The page's address, its title, and the page before. */
      dl: string;
      dt: string;
      dr: string;
      /** The tag of `data-tag`. */
      tg?: string;
      /** An event's name, value and properties. */
      en?: string;
      ev?: string;
      ep?: Properties;
      [key: string]: unknown;
    }

    /** The function that `data-before-send` names. */
    type BeforeSend = (hit: Hit) => Hit | null | undefined | false | void;

    interface Tracker {
      /** Sends an event of this page. */
      event(name: string, value?: unknown, properties?: Properties): void;
      /** Sends a visit of the page as it is, but for the keys given. Not there before the script is. */
      visit(keys?: Partial<Hit>): void;
      /** Why nothing is sent; nothing, or empty, where all is. */
      readonly refused?: string;
    }
  }

  interface Window {
    cmb: Crumby.Tracker;
  }
  const cmb: Crumby.Tracker;
}
