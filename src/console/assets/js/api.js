// The admin API: JSON in, JSON out. Knows the session's rules (the header against forged requests, what 401 means)
// and nothing of the page.

/** A refusal of the server, in its words. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Fired on `window` when the server no longer knows the session. */
export const SIGNED_OUT = "sluicegate-signed-out";

/** Says that a request failed before an answer came. */
export function unreachable(error) {
  if (error?.name === "AbortError") return error;
  return new ApiError(0, "unreachable", "The server cannot be reached. Check that it runs, and the network.");
}

async function refusal(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // Something between us and the server answered in its own way.
  }
  const message = told.message ?? told.error ?? `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(
    response.status,
    told.error ?? "unknown",
    message,
    Number(response.headers.get("retry-after")) || null,
  );
}

/** Asks the admin API; the parsed answer, or `ApiError`. */
export async function api(method, path, body, { signal, quiet = false } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-sluicegate-csrf"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal,
      cache: "no-store",
      credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    throw unreachable(error);
  }
  if (!response.ok) {
    const error = await refusal(response);
    if (error.status === 401 && !quiet) window.dispatchEvent(new CustomEvent(SIGNED_OUT));
    throw error;
  }
  if (response.status === 204) return null;
  const text = await response.text();
  return text.trim() === "" ? null : JSON.parse(text);
}

/** GET. */
export const get = (path, options) => api("GET", path, undefined, options);
/** POST. */
export const post = (path, body, options) => api("POST", path, body, options);

/** Every bucket as administrators see it. The server gives ten thousand at a time. */
export async function allBuckets(options) {
  const found = [];
  let page;
  do {
    page = await get(`/v1/buckets${query({ after: found.at(-1)?.name })}`, options);
    found.push(...page.buckets);
  } while (page.is_truncated && page.buckets.length > 0);
  return found;
}

/** One bucket as administrators see it, or `null`. */
export async function findBucket(name, options) {
  // What comes after its name without the last letter begins with the bucket, or with few others.
  let after = name.slice(0, -1);
  for (;;) {
    const page = await get(`/v1/buckets${query({ after })}`, options);
    const found = page.buckets.find((one) => one.name === name);
    if (found) return found;
    const last = page.buckets.at(-1)?.name;
    if (!page.is_truncated || last === undefined || last > name) return null;
    after = last;
  }
}

/** One step of a path. */
export const segment = (text) => encodeURIComponent(text);

/** A query string from what is set. */
export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = set.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
  return text === "" ? "" : `?${text}`;
}
