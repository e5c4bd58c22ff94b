// The latest requests, as they come. Filters are in the address, so that a view can be kept and shared.

import { get, query, segment } from "../api.js";
import { announce, badge, button, every, h, linkButton, put, table, when } from "../dom.js";
import { field } from "../forms.js";
import { bytes, millis, moment, visible } from "../format.js";

const LOOK_SECONDS = 3;
/** Requests of one look. */
const PAGE = 100;
const STATUSES = [
  ["all", "all"],
  ["refused", "refused"],
  ["4xx", "4xx: the client's fault"],
  ["5xx", "5xx: the server's fault"],
];

/** The answer to a request as a coloured word. Whoever hung up got none. */
export function answerBadge({ status, code }) {
  if (status === null) return badge("hung up", "warning");
  return badge(`${status} ${code ?? ""}`.trim(), status >= 500 ? "bad" : status >= 400 ? "warning" : "good");
}

const place = (one) => `#/logs/${segment(one.id)}`;
const title = (one) => `${one.method} ${visible(one.path)}`;

function row(one) {
  return [
    when(one.at, moment(one.at)),
    h("a", { class: "key", href: place(one) }, title(one)),
    one.name ?? one.access_key_id ?? "anonymous",
    h(
      "span",
      {},
      answerBadge(one),
      one.has_explanation
        ? [" ", h("a", { href: place(one), "aria-label": `Why was ${title(one)} refused?` }, "why?")]
        : null,
    ),
    millis(one.duration_ms),
    bytes(one.received_bytes),
    bytes(one.sent_bytes),
  ];
}

const COLUMNS = [
  { label: "At" },
  { label: "Request" },
  { label: "Key" },
  { label: "Answer" },
  { label: "Took", class: "number" },
  { label: "Received", class: "number" },
  { label: "Sent", class: "number" },
];

/** Shows the page. */
export async function render({ main, signal, search }) {
  const status = field({ label: "Answer", value: search.get("status") ?? "all", options: STATUSES });
  const key = field({ label: "Key", type: "search", value: search.get("key") ?? "", placeholder: "name or ID" });
  const bucket = field({ label: "Bucket", type: "search", value: search.get("bucket") ?? "" });
  const data = table({ caption: "Requests, newest first", columns: COLUMNS, rows: [], empty: "No request fits." });
  const state = h("p", { class: "status", role: "status" });
  const pause = h("button", { type: "button" }, "Pause");
  let [isPaused, shown] = [false, []];
  const wanted = () => ({
    status: status.input.value,
    key: key.input.value.trim(),
    bucket: bucket.input.value.trim(),
  });

  const look = async () => {
    const { requests } = await get(`/v1/requests${query({ ...wanted(), limit: PAGE })}`, { signal });
    // A link that has the focus must not be taken away by the next look.
    if (data.contains(document.activeElement) && shown[0]?.id !== requests[0]?.id) {
      state.textContent = "New requests came. They are shown when you leave the list.";
      return;
    }
    shown = requests;
    data.fillRows(shown.map(row));
    older.hidden = requests.length < PAGE;
    state.textContent = isPaused ? "Paused." : `Refreshed every ${LOOK_SECONDS} s.`;
  };
  const set = (paused) => {
    isPaused = paused;
    pause.textContent = paused ? "Go on" : "Pause";
    state.textContent = paused ? "Paused." : `Refreshed every ${LOOK_SECONDS} s.`;
  };
  pause.addEventListener("click", () => {
    set(!isPaused);
    if (!isPaused) look().catch(() => {});
  });
  const older = button("Older requests", async () => {
    set(true);
    const { requests } = await get(`/v1/requests${query({ ...wanted(), limit: PAGE, before: shown.at(-1)?.id })}`, {
      signal,
    });
    shown = [...shown, ...requests];
    data.fillRows(shown.map(row));
    older.hidden = requests.length < PAGE;
    announce(requests.length === 0 ? "There are no older requests." : `${requests.length} older requests.`);
  });
  let timer = null;
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const values = wanted();
      const address = `#/logs${query({ ...values, status: values.status === "all" ? "" : values.status })}`;
      history.replaceState(null, "", address);
      look().catch((error) => {
        if (error.name !== "AbortError") state.textContent = error.message;
      });
    }, 250);
  };
  for (const one of [status, key, bucket]) one.input.addEventListener("input", changed);
  await look();
  put(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, "Requests"), state),
      h(
        "div",
        { class: "actions" },
        linkButton("Only refused", "#/logs?status=refused"),
        linkButton("All requests", "#/logs"),
        pause,
      ),
    ),
    h("form", { class: "toolbar", role: "search", onsubmit: (event) => event.preventDefault() }, status, key, bucket),
    h("div", { class: "panel flush" }, data),
    h("div", { class: "actions" }, older),
  );
  setTimeout(
    () =>
      every(LOOK_SECONDS, signal, async () => {
        if (!isPaused) await look().catch(() => {});
      }),
    LOOK_SECONDS * 1000,
  );
}
