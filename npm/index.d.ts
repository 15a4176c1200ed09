/** What the script's tag takes as attributes. */
export interface Options {
  /** Where hits go: a full address, or a path on this host. */
  api: string;
  /** `false`: no visits but those of `visit()`. */
  auto?: boolean;
  cid?: "cookie" | "none";
  excludeSearch?: boolean;
  excludeHash?: boolean;
  /** The fragment says which page it is. */
  hash?: boolean;
  /** Paths: `*` is anything but a slash, `**` anything. */
  include?: string | string[];
  exclude?: string | string[];
  canonical?: boolean;
  tag?: string;
  /** Sees each hit before it is sent, and gives back what is sent, or nothing. */
  beforeSend?: (hit: Hit) => Hit | null | undefined | false | void;
  domains?: string | string[];
  dnt?: boolean;
  local?: boolean;
  engagement?: boolean;
  outbound?: boolean;
  /** Endings of files, or `true` for the usual ones. */
  downloads?: boolean | string | string[];
  forms?: boolean;
  404?: boolean | "yes";
  vitals?: boolean;
  elements?: boolean;
}

export type Properties = Record<string, string | number | boolean>;

/** A hit as it is sent, with its short keys. */
export interface Hit {
  id: string;
  t: "visit" | "event" | "engagement";
  cid?: string;
  dl: string;
  dt: string;
  dr: string;
  tg?: string;
  en?: string;
  ev?: string;
  ep?: Properties;
  [key: string]: unknown;
}

/** Begins to count, once; a second call changes nothing. */
export function start(options: Options): void;

/** Sends an event, or keeps it until `start`. */
export function event(name: string, value?: unknown, properties?: Properties): void;

/** Sends a visit of the page as it is, but for the keys given. After `start`. */
export function visit(keys?: Partial<Hit>): void;
