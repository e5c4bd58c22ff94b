// The overview: is the server well, what does it do now, what did it do lately, and whom did it refuse.

import { get, post, query } from "../api.js";
import { badge, button, every, explain, h, linkButton, meter, note, panel, put, table, toast, when } from "../dom.js";
import { confirmDialog, field } from "../forms.js";
import { bytes, date, duration, millis, number, percent, rate, time, visible } from "../format.js";
import { chart } from "../chart.js";
import { answerBadge } from "./logs.js";

const STATE_SECONDS = 5;
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
    gauge("Memory", bytes(overview.resident_bytes), overview.resident_bytes / bound, `of ${bytes(bound)} planned`),
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
      "Blocks",
      number(overview.blocks_leased),
      overview.blocks_leased / overview.blocks,
      `lent to bodies, of ${number(overview.blocks)}`,
    ),
    gauge("Buckets", number(overview.buckets), null, `up for ${duration(overview.uptime_seconds)}`),
  ];
}

function memoryPlan(overview) {
  const terms = Object.entries(overview.memory_plan_bytes).sort(([, a], [, b]) => b - a);
  return h(
    "details",
    { class: "panel" },
    h("summary", {}, "How memory is split"),
    table({
      caption: "Terms of the memory plan",
      columns: [{ label: "What" }, { label: "At most", class: "number" }],
      rows: terms.map(([term, size]) => [term.replaceAll("_", " "), bytes(size)]),
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
  const node = table({ caption: "Uploads that run now", columns, rows: [], empty: "No body is on its way in." });
  const show = ({ uploads }) =>
    node.fillRows(
      uploads.map((one) => {
        const share = one.expected_bytes ? one.received_bytes / one.expected_bytes : 0;
        const told = one.expected_bytes
          ? `${bytes(one.received_bytes)} of ${bytes(one.expected_bytes)}`
          : bytes(one.received_bytes);
        return [
          h("span", { class: "key" }, `${one.bucket}/${visible(one.key ?? "")}`),
          h(
            "div",
            { class: "progress" },
            one.expected_bytes ? meter(share, percent(one.received_bytes, one.expected_bytes)) : null,
            told,
          ),
          rate(one.bytes_per_second),
          duration(one.seconds),
          one.name ?? one.peer,
        ];
      }),
    );
  return { node, show };
}

function refusals() {
  const columns = [{ label: "At" }, { label: "Request" }, { label: "Key" }, { label: "Answer" }];
  const node = table({ caption: "Refused lately", columns, rows: [], empty: "Nothing was refused since the start." });
  const show = ({ requests }) =>
    node.fillRows(
      requests.map((one) => [
        when(one.at, time(one.at)),
        h("a", { class: "key", href: `#/logs/${encodeURIComponent(one.id)}` }, `${one.method} ${visible(one.path)}`),
        one.name ?? one.access_key_id ?? "–",
        answerBadge(one),
      ]),
    );
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
  await Promise.all([look(), told("Uploads and refusals", listen), told("History", draw)]);

  put(
    main,
    h("div", { class: "title" }, h("div", {}, h("h1", {}, "Overview"), status), control),
    trouble,
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
          draw().catch(() => {});
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
    every(STATE_SECONDS, signal, calm(listen));
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
  }, STATE_SECONDS * 1000);
}
