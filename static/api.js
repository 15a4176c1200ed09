/** Questions to the server, and its refusals. */

/** What the server, or the network, said instead of an answer. The message is fit to be shown. */
export class Refusal extends Error {
  /** @param {string} message @param {number} status  0 when no answer came */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** What the page was told when it was served: `{root, user}`. */
export function told() {
  return JSON.parse(document.getElementById("crumby").textContent);
}

/**
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @throws {Refusal}
 */
export async function ask(url, signal) {
  const response = await send(url, signal);
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(reason(response.status, body), response.status);
  if (body === null) throw new Refusal("The server's answer could not be read.", response.status);
  return body;
}

async function send(url, signal) {
  try {
    return await fetch(url, { headers: { Accept: "application/json" }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server did not answer.", 0);
  }
}

function reason(status, body) {
  if (status === 401) return "Your session has ended. Sign in again to see this.";
  if (typeof body?.detail === "string") return body.detail;
  return `The server answered ${status}.`;
}
