/** Questions to the server, and its refusals. */

const JSON_WANTED = { Accept: "application/json" };

/** What the server, or the network, said instead of an answer. The message is fit to be shown. */
export class Refusal extends Error {
  /** @param {string} message @param {number} status  0 when no answer came */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** What the page was told when it was served: `{root, user, api, share}`, and at `/` where its `{script, hits}` are; an embed, `{root, api, panel, home, fixed}`. */
export function told() {
  return JSON.parse(document.getElementById("crumby").textContent);
}

/** @param {string} url @param {AbortSignal} [signal] @throws {Refusal} */
export async function ask(url, signal, method) {
  const response = await send(url, { method, headers: JSON_WANTED, signal });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(reason(response.status, body), response.status);
  if (body === null && response.status !== 204) throw new Refusal("The server's answer could not be read.", response.status);
  const imported = response.headers.get("X-Crumby-Imported");
  if (imported) body.imported = imported;
  return body;
}

/**
 * A question in the request's body, not in its address.
 * @param {string} url
 * @param {object} question
 * @param {AbortSignal} [signal]
 * @returns {Promise<{body: object|null, blob: Blob, took: number|null}>}  `took` in ms, as the server measured it; the body if it is JSON
 * @throws {Refusal}
 */
export async function post(url, question, signal) {
  const headers = { ...JSON_WANTED, "Content-Type": "application/json" };
  const response = await send(url, { method: "POST", headers, body: JSON.stringify(question), signal });
  const blob = await response.blob();
  const body = blob.type.startsWith("application/json") ? JSON.parse(await blob.text()) : null;
  if (!response.ok) throw new Refusal(reason(response.status, body), response.status);
  const took = /dur=([\d.]+)/.exec(response.headers.get("Server-Timing") ?? "");
  return { body, blob, took: took && Number(took[1]) };
}

async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server did not answer.", 0);
  }
}

function reason(status, body) {
  const { user, share } = told();
  if (status === 401 && share) return "This link wants its password again.";
  if (status === 401 && user) return "Your session has ended. Sign in again to see this.";
  if (typeof body?.detail === "string") return body.detail;
  return `The server answered ${status}.`;
}
