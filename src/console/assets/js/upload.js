// Uploads files: small ones by one PUT, large ones in parts, a few requests at a time for all files together. A part
// that fails is sent again; an upload that ended early goes on with what the server has.

import { SIGNED_OUT } from "./api.js";
import { abortUpload, listParts, readError, s3Url, s3Xml } from "./s3.js";
import { forget, partBytes, partRange, PART_BYTES, recall, remember } from "./upload-memory.js";
import { documentOf, element, text } from "./xml.js";

/** Requests with a body at a time. Browsers open six connections to a server; the rest are for the pages. */
const REQUESTS_MAX = 3;
/** Times that a part is sent before the file counts as failed. */
const ATTEMPTS_MAX = 5;
/** Files that are looked at together: enough to keep all requests busy with small ones. */
const FILES_MAX = 3;
/** Milliseconds over which the rate is taken. */
const RATE_WINDOW_MS = 4000;
/** What browsers do not know by themselves, and a preview needs. */
const TYPES = {
  md: "text/markdown",
  log: "text/plain",
  toml: "text/plain",
  yaml: "text/plain",
  yml: "text/plain",
  rs: "text/plain",
  wasm: "application/wasm",
  mkv: "video/x-matroska",
  avif: "image/avif",
  webp: "image/webp",
};

/** The content type of a file. */
export function typeOf(file) {
  const suffix = file.name.slice(file.name.lastIndexOf(".") + 1).toLowerCase();
  return file.type || TYPES[suffix] || "application/octet-stream";
}

/** At most `max` at a time; the others wait in order. */
class Turns {
  #free;
  #waiting = [];
  constructor(max) {
    this.#free = max;
  }

  async run(work) {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

const requests = new Turns(REQUESTS_MAX);
const aborted = () => new DOMException("The upload was cancelled.", "AbortError");

/** Waits, unless `signal` ends first. */
function rest(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(aborted());
      },
      { once: true },
    );
  });
}

/** One PUT with progress, which `fetch` cannot tell. Returns the ETag. */
function send(url, body, type, signal, progress) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(aborted());
      return;
    }
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open("PUT", url);
    request.setRequestHeader("x-sluicegate-csrf", "1");
    if (type) request.setRequestHeader("content-type", type);
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    request.addEventListener("abort", () => reject(aborted()));
    request.addEventListener("error", () => reject(readError(0, "", null)));
    request.addEventListener("load", () => {
      if (request.status === 200) {
        resolve(request.getResponseHeader("etag"));
        return;
      }
      if (request.status === 401) window.dispatchEvent(new CustomEvent(SIGNED_OUT));
      reject(
        readError(request.status, request.responseText, Number(request.getResponseHeader("retry-after")) || null),
      );
    });
    signal.addEventListener("abort", stop, { once: true });
    request.send(body);
  });
}

/** Whether the same request may succeed later. */
function isPassing(error) {
  return (
    error.status === 0 ||
    error.status === 408 ||
    error.status === 429 ||
    error.status === 500 ||
    error.status === 503 ||
    error.code === "RequestTimeout" ||
    error.code === "BadDigest"
  );
}

/** One file on its way. Tells `changed` whenever something about it changed. */
export class Upload {
  state = "waiting";
  error = null;
  sent = 0;
  #done = 0;
  #flying = new Map();
  #marks = [];
  #stop = new AbortController();
  #id = null;

  constructor({ file, bucket, key }, changed) {
    Object.assign(this, { file, bucket, key, size: file.size, changed });
  }

  /** Bytes per second of the last moments. */
  get rate() {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (!first || last.at - first.at < 200) return 0;
    return ((last.sent - first.sent) * 1000) / (last.at - first.at);
  }

  get isOver() {
    return ["done", "failed", "cancelled"].includes(this.state);
  }

  #count() {
    this.sent = this.#done + [...this.#flying.values()].reduce((sum, bytes) => sum + bytes, 0);
    const now = performance.now();
    this.#marks.push({ at: now, sent: this.sent });
    while (now - this.#marks[0].at > RATE_WINDOW_MS) this.#marks.shift();
    this.changed(this);
  }

  #turn(state, error = null) {
    [this.state, this.error] = [state, error];
    this.changed(this);
  }

  /** Sends `range` of the file, again and again if what stopped it may pass. */
  async #sendRange(name, { start, end }, url, type) {
    const { signal } = this.#stop;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const etag = await requests.run(() => {
          this.#turn("sending");
          return send(url, this.file.slice(start, end), type, signal, (loaded) => {
            this.#flying.set(name, Math.min(loaded, end - start));
            this.#count();
          });
        });
        this.#flying.delete(name);
        this.#done += end - start;
        this.#count();
        return etag;
      } catch (error) {
        this.#flying.delete(name);
        if (attempt === ATTEMPTS_MAX || !isPassing(error)) throw error;
        await rest(Math.max((error.retryAfter ?? 0) * 1000, 500 * 2 ** attempt), signal);
      }
    }
  }

  /** Where an earlier attempt came to, or a new upload. */
  async #open() {
    const { signal } = this.#stop;
    const known = recall(this.bucket, this.key, this.file);
    if (known) {
      try {
        const parts = await listParts(this.bucket, this.key, known.id, { signal });
        return { ...known, parts };
      } catch (error) {
        if (error.code !== "NoSuchUpload") throw error;
        forget(this.bucket, this.key, this.file);
      }
    }
    const each = partBytes(this.size);
    const root = await s3Xml("POST", s3Url(this.bucket, this.key, { uploads: null }), {
      headers: { "content-type": typeOf(this.file) },
      signal,
    });
    const id = text(root, "UploadId");
    remember(this.bucket, this.key, this.file, id, each);
    return { id, each, parts: new Map() };
  }

  async #inParts() {
    const { id, each, parts } = await this.#open();
    this.#id = id;
    const count = Math.ceil(this.size / each);
    const etags = new Array(count);
    const missing = [];
    for (let number = 1; number <= count; number += 1) {
      const range = partRange(this.size, each, number);
      const there = parts.get(number);
      if (there?.size === range.end - range.start) {
        etags[number - 1] = there.etag;
        this.#done += there.size;
      } else {
        missing.push({ number, range });
      }
    }
    this.#count();
    // What the earlier attempts sent is no rate of this one.
    this.#marks = [];
    const lane = async () => {
      for (let next = missing.shift(); next; next = missing.shift()) {
        const url = s3Url(this.bucket, this.key, { partNumber: next.number, uploadId: id });
        etags[next.number - 1] = await this.#sendRange(next.number, next.range, url, null);
      }
    };
    const lanes = Array.from({ length: REQUESTS_MAX }, lane);
    try {
      await Promise.all(lanes);
    } finally {
      // After a failure no new part begins, and those under way end first.
      missing.length = 0;
      await Promise.allSettled(lanes);
    }
    this.#turn("finishing");
    await this.#complete(id, etags);
    forget(this.bucket, this.key, this.file);
  }

  async #complete(id, etags) {
    const parts = etags.map((etag, at) => element("Part", element("PartNumber", at + 1), element("ETag", etag)));
    const url = s3Url(this.bucket, this.key, { uploadId: id });
    const root = await s3Xml("POST", url, {
      body: documentOf("CompleteMultipartUpload", ...parts),
      headers: { "content-type": "application/xml" },
      signal: this.#stop.signal,
    });
    if (text(root, "ETag") === null) throw new Error("The server did not confirm the upload.");
  }

  /** Uploads the file. Never throws: how it ended is in `state` and `error`. */
  async run() {
    if (this.#stop.signal.aborted) return;
    [this.#done, this.sent, this.#marks] = [0, 0, []];
    this.#turn("sending");
    try {
      if (this.size > PART_BYTES) {
        await this.#inParts();
      } else {
        await this.#sendRange(0, { start: 0, end: this.size }, s3Url(this.bucket, this.key), typeOf(this.file));
      }
      this.sent = this.size;
      this.#turn("done");
    } catch (error) {
      if (this.state === "cancelled") return;
      // A part that the server lacks after all: what is remembered leads nowhere.
      if (["InvalidPart", "NoSuchUpload"].includes(error.code)) forget(this.bucket, this.key, this.file);
      const isLost = error.name === "NotFoundError" || error.name === "NotReadableError";
      this.#turn("failed", isLost ? new Error("The file changed or is gone. Choose it again.") : error);
    }
  }

  /** Prepares a failed upload for another `run`. */
  again() {
    this.#stop = new AbortController();
    this.#turn("waiting");
  }

  /** Stops it; `keep` leaves its parts on the server, so that it can go on later. */
  async cancel({ keep = false } = {}) {
    if (this.state === "done" || this.state === "cancelled") return;
    const id = this.#id;
    this.#turn("cancelled");
    this.#stop.abort();
    if (!keep && id !== null) {
      forget(this.bucket, this.key, this.file);
      await abortUpload(this.bucket, this.key, id);
    }
  }
}

/** All uploads of this page of the browser. */
export class UploadQueue {
  uploads = [];
  #running = 0;

  constructor(changed) {
    this.changed = changed;
  }

  /** Adds files. A file whose key is already on its way is left alone. */
  add(items) {
    const busy = new Set(this.uploads.filter((one) => !one.isOver).map((one) => `${one.bucket}/${one.key}`));
    for (const item of items) {
      if (!busy.has(`${item.bucket}/${item.key}`)) this.uploads.push(new Upload(item, this.changed));
    }
    this.changed(null);
    this.#next();
  }

  #next() {
    while (this.#running < FILES_MAX) {
      const upload = this.uploads.find((one) => one.state === "waiting");
      if (!upload) return;
      this.#running += 1;
      upload.run().finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  /** Cancels all that are not over. Those that wait go first, so that none of them begins meanwhile. */
  async cancelAll() {
    const open = this.uploads.filter((one) => !one.isOver);
    open.sort((a, b) => Number(b.state === "waiting") - Number(a.state === "waiting"));
    await Promise.all(open.map((one) => one.cancel()));
  }

  /** Tries a failed upload again. */
  retry(upload) {
    upload.again();
    this.#next();
  }

  /** Takes those that are over off the list. */
  clear() {
    this.uploads = this.uploads.filter((one) => !one.isOver);
    this.changed(null);
  }
}
