// The panel of uploads at the edge of every page: one line per file with its progress, the sum, and what failed. It
// stays while the pages change.

import { announce, button, explain, h, meter, put, toast } from "./dom.js";
import { bytes, duration, percent, plural, rate, visible } from "./format.js";
import { UploadQueue } from "./upload.js";

/** Lines at a time: a folder of ten thousand files must not make ten thousand of them. */
const LINES_MAX = 30;
/** Milliseconds between two paintings. */
const PAINT_MS = 200;
const WORDS = {
  waiting: "waits",
  sending: "sending",
  finishing: "finishing",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};
const ORDER = { failed: 0, sending: 1, finishing: 1, waiting: 2, done: 3, cancelled: 4 };

const lines = new Map();
let painting = null;
let wasBusy = false;
const listeners = new Set();
const queue = new UploadQueue((upload) => {
  if (upload?.state === "done") listeners.forEach((listener) => listener(upload));
  painting ??= setTimeout(paint, PAINT_MS);
});

const list = h("ul", {});
const sum = h("p", { class: "sum" });
const fold = h(
  "button",
  { type: "button", class: "quiet", "aria-expanded": "true", "aria-controls": "upload-list" },
  "Hide",
);
const clear = h("button", { type: "button", class: "quiet" }, "Clear");
const stop = button("Cancel all", () => queue.cancelAll(), { class: "quiet" });
const body = h("div", { id: "upload-list", tabindex: "0", role: "group", "aria-label": "Files" }, list);
const panel = h(
  "aside",
  { class: "uploads", "aria-label": "Uploads", hidden: true },
  h("header", {}, h("h2", {}, "Uploads"), stop, fold, clear),
  sum,
  body,
);
fold.addEventListener("click", () => {
  body.hidden = !body.hidden;
  fold.textContent = body.hidden ? "Show" : "Hide";
  fold.setAttribute("aria-expanded", String(!body.hidden));
});
clear.addEventListener("click", () => queue.clear());

function line(upload) {
  const found = lines.get(upload);
  if (found) return found;
  const share = meter(0, "");
  const state = h("span", { class: "state" });
  const cancel = button("Cancel", () => upload.cancel(), {
    class: "quiet",
    "aria-label": `Cancel ${visible(upload.key)}`,
  });
  const retry = button("Retry", () => queue.retry(upload), {
    class: "quiet",
    "aria-label": `Retry ${visible(upload.key)}`,
  });
  const node = h(
    "li",
    {},
    h("div", {}, h("span", { class: "file", title: upload.key }, visible(upload.key)), share, state),
    retry,
    cancel,
  );
  const made = { node, share, state, cancel, retry };
  lines.set(upload, made);
  return made;
}

function paintLine(upload) {
  const { node, share, state, cancel, retry } = line(upload);
  const part = upload.size === 0 ? Number(upload.state === "done") : upload.sent / upload.size;
  share.firstElementChild.style.inlineSize = `${part * 100}%`;
  share.setAttribute("aria-label", percent(upload.sent, upload.size));
  const speed =
    upload.state === "sending" && upload.rate > 0
      ? `, ${rate(upload.rate)}, ${duration((upload.size - upload.sent) / upload.rate)} left`
      : "";
  state.textContent =
    upload.state === "failed"
      ? `failed: ${explain(upload.error)}`
      : `${WORDS[upload.state]} – ${bytes(upload.sent)} of ${bytes(upload.size)}${speed}`;
  node.className = upload.state;
  cancel.hidden = upload.state === "done" || upload.state === "cancelled";
  // Of a failed one, the parts that arrived wait for another try.
  const word = upload.state === "failed" ? "Give up" : "Cancel";
  if (cancel.textContent !== word) {
    cancel.textContent = word;
    cancel.setAttribute("aria-label", `${word} ${visible(upload.key)}`);
  }
  retry.hidden = upload.state !== "failed";
  return node;
}

function paint() {
  painting = null;
  const { uploads } = queue;
  for (const upload of [...lines.keys()]) if (!uploads.includes(upload)) lines.delete(upload);
  const sorted = [...uploads].sort((a, b) => ORDER[a.state] - ORDER[b.state]).slice(0, LINES_MAX);
  const shown = sorted.map(paintLine);
  // Nodes that stay in place keep the focus that may be in them.
  if (shown.length !== list.children.length || shown.some((node, at) => list.children[at] !== node)) {
    const focused = document.activeElement;
    put(list, shown);
    if (focused?.isConnected && list.contains(focused)) focused.focus();
  }
  const over = uploads.filter((one) => one.isOver);
  const failed = uploads.filter((one) => one.state === "failed").length;
  const live = uploads.filter((one) => one.state !== "cancelled");
  const [sent, size] = [live.reduce((all, one) => all + one.sent, 0), live.reduce((all, one) => all + one.size, 0)];
  const isBusy = over.length < uploads.length;
  const more = uploads.length > LINES_MAX ? ` ${plural(uploads.length - LINES_MAX, "more file")} not shown.` : "";
  put(
    sum,
    `${over.length - failed} of ${plural(uploads.length, "file")}, ${bytes(sent)} of ${bytes(size)}.` +
      `${failed > 0 ? ` ${failed} failed.` : ""}${more}`,
  );
  panel.hidden = uploads.length === 0;
  stop.hidden = uploads.length - over.length < 2;
  clear.hidden = over.length === 0;
  if (wasBusy && !isBusy)
    announce(failed > 0 ? `Uploads ended, ${failed} failed.` : "All uploads are done.", failed > 0);
  if (!wasBusy && isBusy) announce(`Uploading ${plural(uploads.length, "file")}.`);
  wasBusy = isBusy;
}

window.addEventListener("beforeunload", (event) => {
  if (queue.uploads.some((one) => !one.isOver)) event.preventDefault();
});

/** The panel. There is one. */
export function uploadPanel() {
  return panel;
}

/** Begins to upload `{file, bucket, key}`. */
export function startUploads(items) {
  if (items.length === 0) {
    toast("There was no file in what you chose.");
    return;
  }
  queue.add(items);
}

/** Calls `listener` with every upload that is done, until `signal` ends. */
export function onUploaded(signal, listener) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}

/** Stops all uploads; what was sent stays on the server, so that they can go on. */
export function stopUploads() {
  for (const upload of queue.uploads) upload.cancel({ keep: true });
  queue.clear();
}
