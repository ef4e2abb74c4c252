// Requests to the service. Every address is relative, so that the page works below a stage path too.

/** A refusal (RFC 9457): `code` is its stable name, `message` a sentence for a person. */
export class Problem extends Error {
  constructor(status, details, headers) {
    super(details.detail ?? "The service answered with something unexpected. Please try again.");
    this.status = status;
    this.code = details.code ?? "unexpected";
    this.details = details;
    this.requestId = details.request_id ?? headers.get("x-request-id");
    this.retryAfter = Number(details.retry_after ?? headers.get("retry-after")) || null;
  }
}

/** No answer came at all. */
export class Unreachable extends Error {
  constructor() {
    super("The service cannot be reached. Check the connection and try again.");
  }
}

/** The answer, or a Problem, Unreachable, or the AbortError of `signal`. */
export async function call(method, path, { json, headers, signal } = {}) {
  const init = { method, signal, headers: { accept: "application/json", ...headers } };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  if (response.ok) return response;
  throw new Problem(response.status, await details(response), response.headers);
}

export const get = async (path) => (await call("GET", path)).json();

/** `segment` made safe to stand in a path. */
export const part = (segment) => encodeURIComponent(segment);

/** Leaves for an address that the service named; anything but http(s) stays. */
export function leaveFor(url) {
  const target = new URL(url, document.baseURI);
  if (target.protocol === "https:" || target.protocol === "http:") location.assign(target);
}

async function details(response) {
  try {
    return Object(await response.json());
  } catch {
    return {}; // a proxy's HTML page, or a cut body: the status is all there is to say
  }
}
