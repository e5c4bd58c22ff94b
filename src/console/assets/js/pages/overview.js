// The overview: is the server well, what does it do now, what did it do lately, and whom did it refuse.

import { get, post, query } from "../api.js";
import {
  announce,
  badge,
  button,
  every,
  explain,
  h,
  linkButton,
  meter,
  note,
  panel,
  put,
  table,
  toast,
  when,
} from "../dom.js";
import { confirmDialog, field } from "../forms.js";
import { bytes, date, duration, millis, moment, number, percent, plural, rate, visible } from "../format.js";
import { chart } from "../chart.js";
import { firstSteps } from "../first-steps.js";
import { answerBadge } from "./logs.js";

const STATE_SECONDS = 5;
/** Uploads move: their rate is what came between two looks. */
const UPLOAD_SECONDS = 2;
/** Span → seconds shown, and seconds between two looks. */
const SPANS = {
  hour: { label: "Last hour", seconds: 3_600, every: 10 },
  day: { label: "Last day", seconds: 86_400, every: 60 },
  month: { label: "Last month", seconds: 30 * 86_400, every: 300 },
};

function health(overview) {
  if (overview.is_paused) return badge("Writes paused", "warning");
  if (overview.draining) return badge("Stopping", "warning");
  if (overview.read_only) return badge(`Read-only: ${overview.reason ?? "disk"}`, "bad");
  return overview.ready ? badge("Healthy", "good") : badge(`Not ready: ${overview.reason ?? "unknown"}`, "bad");
}

function gauge(label, value, share, told, kind = "") {
  return h(
    "div",
    { class: "gauge" },
    h("h3", {}, label),
    h("p", { class: "value" }, value),
    share === null ? null : meter(share, told, kind),
    h("p", { class: "hint" }, told),
  );
}

function gauges(overview) {
  const { disk } = overview;
  const used = disk.total_bytes - disk.free_bytes;
  const planned = Object.values(overview.memory_plan_bytes).reduce((sum, part) => sum + part, 0);
  const bound = overview.memory_bytes || planned;
  const full = used / disk.total_bytes;
  return [
    gauge(
      "Disk",
      `${bytes(disk.free_bytes)} free`,
      full,
      `${percent(used, disk.total_bytes)} of ${bytes(disk.total_bytes)} used`,
      full > 0.95 ? "bad" : full > 0.85 ? "warning" : "",
    ),
    gauge(
      "Memory",
      bytes(overview.resident_bytes),
      overview.resident_bytes / bound,
      `in use, of ${bytes(bound)} that the plan allows`,
    ),
    gauge(
      "Requests",
      number(overview.requests_in_flight),
      overview.requests_in_flight / overview.requests_max,
      `at this moment, of ${number(overview.requests_max)} at a time`,
    ),
    gauge(
      "Connections",
      number(overview.connections),
      overview.connections / overview.connections_max,
      `open, of ${number(overview.connections_max)}`,
    ),
    gauge(
      "Buffers",
      number(overview.blocks_leased),
      overview.blocks_leased / overview.blocks,
      `hold bodies on their way, of ${number(overview.blocks)}`,
    ),
    gauge("Up for", duration(overview.uptime_seconds), null, `with ${plural(overview.buckets, "bucket")}`),
  ];
}

function memoryPlan(overview) {
  const terms = Object.entries(overview.memory_plan_bytes).sort(([, a], [, b]) => b - a);
  const planned = terms.reduce((sum, [, size]) => sum + size, 0);
  const rows = terms.map(([term, size]) => [term.replaceAll("_", " "), bytes(size)]);
  rows.push([h("strong", {}, "The sum"), h("strong", {}, bytes(planned))]);
  if (overview.memory_bytes) rows.push(["The bound, as --memory says", bytes(overview.memory_bytes)]);
  return h(
    "details",
    { class: "panel" },
    h("summary", {}, "How memory is split"),
    table({
      caption: "Terms of the memory plan",
      columns: [{ label: "What" }, { label: "At most", class: "number" }],
      rows,
    }),
  );
}

async function pause(tell) {
  const reason = field({ label: "Reason (optional)", placeholder: "Moving the disk", maxlength: "200" });
  const done = await confirmDialog({
    title: "Pause writes?",
    danger: false,
    confirm: "Pause writes",
    text: [
      "Uploads, deletes and every other change get “503 Service Unavailable, try again later” until you resume. " +
        "Reading goes on.",
      reason,
    ],
    work: () =>
      post("/v1/control/pause", reason.input.value.trim() === "" ? {} : { reason: reason.input.value.trim() }),
  });
  if (done) {
    toast("Writes are paused.");
    await tell();
  }
}

function runningUploads() {
  const columns = [
    { label: "Object" },
    { label: "Received" },
    { label: "Rate", class: "number" },
    { label: "For", class: "number" },
    { label: "By" },
  ];
  const node = table({ caption: "Uploads that run now", columns, rows: [], empty: "Nothing is being uploaded." });
  let before = new Map();
  // The server tells the rate since the upload began; what counts is that of the last moments.
  const rateOf = (one) => {
    const last = before.get(one.request_id);
    if (!last || one.seconds - last.seconds < 0.5) return one.bytes_per_second;
    return (one.received_bytes - last.received_bytes) / (one.seconds - last.seconds);
  };
  const show = ({ uploads }) => {
    node.fillRows(
      uploads.map((one) => {
        const share = one.expected_bytes ? one.received_bytes / one.expected_bytes : 0;
        const told = one.expected_bytes
          ? `${bytes(one.received_bytes)} of ${bytes(one.expected_bytes)}`
          : bytes(one.received_bytes);
        return [
          h(
            "span",
            {},
            h("span", { class: "key" }, `${one.bucket}/${visible(one.key ?? "")}`),
            one.operation === "UploadPart" ? [" ", badge("one part")] : null,
          ),
          h(
            "div",
            { class: "progress" },
            one.expected_bytes ? meter(share, percent(one.received_bytes, one.expected_bytes)) : null,
            told,
          ),
          rate(rateOf(one)),
          duration(one.seconds),
          one.name ?? one.peer,
        ];
      }),
    );
    before = new Map(uploads.map((one) => [one.request_id, one]));
  };
  return { node, show };
}

function refusals() {
  const columns = [{ label: "At" }, { label: "Request" }, { label: "Key" }, { label: "Answer" }];
  const node = table({
    caption: "Refused lately",
    columns,
    rows: [],
    empty: "No request was refused since the server started.",
  });
  let shown = "";
  const show = ({ requests }) => {
    const ids = requests.map(({ id }) => id).join();
    // A link that has the focus stays, and so does what is the same.
    if (ids === shown || node.contains(document.activeElement)) return;
    shown = ids;
    node.fillRows(
      requests.map((one) => [
        when(one.at, moment(one.at)),
        h("a", { class: "key", href: `#/logs/${encodeURIComponent(one.id)}` }, `${one.method} ${visible(one.path)}`),
        one.name ?? one.access_key_id ?? "–",
        answerBadge(one),
      ]),
    );
  };
  return { node, show };
}

function charts() {
  const per = (name) => (sample) => sample[name] / sample.step;
  const all = [
    chart({
      title: "Throughput",
      base: 1024,
      write: rate,
      series: [
        { label: "received", kind: "first", read: per("received_bytes") },
        { label: "sent", kind: "second", read: per("sent_bytes") },
      ],
    }),
    chart({
      title: "Latency",
      write: millis,
      series: [
        { label: "99 of 100 below", kind: "second", read: (sample) => sample.latency_p99_ms },
        { label: "half below", kind: "first", read: (sample) => sample.latency_p50_ms },
      ],
    }),
    chart({
      title: "Requests",
      write: (value) => `${Number(value.toPrecision(3))}/s`,
      series: [
        { label: "all", kind: "first", read: per("requests") },
        {
          label: "refused or failed",
          kind: "bad",
          read: (sample) => (sample.errors_4xx + sample.errors_5xx) / sample.step,
        },
      ],
    }),
    chart({
      title: "Memory",
      base: 1024,
      write: bytes,
      series: [{ label: "resident", kind: "first", read: (sample) => sample.resident_bytes }],
    }),
  ];
  return {
    node: h("div", { class: "charts" }, ...all),
    show(history) {
      const samples = history.samples.map((sample) => ({ ...sample, step: history.step_seconds }));
      const { seconds } = SPANS[history.span];
      for (const one of all)
        one.show(samples, { step: history.step_seconds, seconds, isLong: history.span !== "hour" });
    },
  };
}

function spanPicker(chosen, change) {
  return h(
    "div",
    { class: "segments", role: "group", "aria-label": "Time shown" },
    ...Object.entries(SPANS).map(([name, { label }]) => {
      const node = h("button", { type: "button", "aria-pressed": String(name === chosen) }, label);
      node.addEventListener("click", () => {
        for (const other of node.parentElement.children) other.setAttribute("aria-pressed", String(other === node));
        change(name);
      });
      return node;
    }),
  );
}

/** Shows the page. */
export async function render({ main, signal, shell }) {
  const state = h("div", { class: "gauges" });
  const status = h("p", { class: "status" });
  const plan = h("div", {});
  const control = h("div", { class: "actions" });
  const [running, refused, drawn] = [runningUploads(), refusals(), charts()];
  let span = "hour";
  let isOpen = false;

  const look = async () => {
    const overview = await get("/v1/overview", { signal });
    shell.tell(overview);
    put(
      status,
      health(overview),
      ` Sluicegate ${overview.version}, since `,
      when(overview.started, date(overview.started)),
    );
    put(state, gauges(overview));
    isOpen = plan.firstElementChild?.open ?? false;
    put(plan, memoryPlan(overview));
    plan.firstElementChild.open = isOpen;
    // The button is made anew only when it changes, so that it keeps the focus.
    if (control.dataset.paused !== String(overview.is_paused)) {
      control.dataset.paused = String(overview.is_paused);
      put(
        control,
        overview.is_paused
          ? button(
              "Resume writes",
              async () => {
                await post("/v1/control/resume", {});
                toast("Writes are accepted again.");
                await look();
              },
              { class: "primary" },
            )
          : button("Pause writes…", () => pause(look)),
      );
    }
    return overview;
  };
  const trouble = h("div", {});
  const listen = async () => {
    const [uploads, requests] = await Promise.all([
      get("/v1/uploads/running", { signal }),
      get(`/v1/requests${query({ status: "refused", limit: 8 })}`, { signal }),
    ]);
    running.show(uploads);
    refused.show(requests);
  };
  const draw = async () => drawn.show(await get(`/v1/history${query({ span })}`, { signal }));
  // Later looks leave what is shown, and the banner says that nothing comes; of the first ones, that of the state may
  // fail the page, the others only their part of it.
  const calm = (work) => async () => {
    await work().catch(() => {});
  };
  const told = (what, work) =>
    work().catch((error) => {
      if (error.name === "AbortError") throw error;
      trouble.append(note("warning", h("p", {}, `${what} cannot be shown: ${explain(error)}`)));
    });
  let steps = null;
  const begin = async () => {
    const overview = await look();
    const { keys } = await get("/v1/keys", { signal });
    steps = firstSteps({ buckets: overview.buckets, keys });
  };
  await Promise.all([begin(), told("Uploads and refusals", listen), told("History", draw)]);

  put(
    main,
    h("div", { class: "title" }, h("div", {}, h("h1", {}, "Overview"), status), control),
    trouble,
    steps,
    state,
    h(
      "section",
      { "aria-labelledby": "history" },
      h(
        "div",
        { class: "title" },
        h("h2", { id: "history" }, "Lately"),
        spanPicker(span, (name) => {
          span = name;
          draw()
            .then(() => announce(`Charts show the ${SPANS[name].label.toLowerCase()}.`))
            .catch((error) => error.name !== "AbortError" && toast(explain(error), "error"));
        }),
      ),
      drawn.node,
    ),
    panel("Uploads that run now", running.node),
    panel("Refused lately", refused.node, h("div", { class: "actions" }, linkButton("All requests", "#/logs"))),
    plan,
  );
  setTimeout(() => {
    every(STATE_SECONDS, signal, calm(look));
    every(UPLOAD_SECONDS, signal, calm(listen));
    every(
      SPANS.hour.every,
      signal,
      calm(async () => {
        const due = Date.now() - (drawn.at ?? 0) >= SPANS[span].every * 1000;
        if (due) {
          drawn.at = Date.now();
          await draw();
        }
      }),
    );
  }, UPLOAD_SECONDS * 1000);
}
