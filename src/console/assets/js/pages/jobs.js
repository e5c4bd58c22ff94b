// Work in the background: what runs, how fast, what it last did, and what can be started by hand.

import { get, post } from "../api.js";
import { badge, button, every, facts, h, meter, put, toast } from "../dom.js";
import { ago, date, duration, number } from "../format.js";

const LOOK_SECONDS = 3;
const STATES = { running: "good", resting: "", failing: "bad", done: "good" };
/** What each kind of job is called and for, and how one begins it by hand: `[title, purpose, start, label]`. */
const KINDS = {
  scrub: [
    "Scrub",
    "Reads everything that is stored again and finds damage before a reader does.",
    "scrub",
    "Start scrub now",
  ],
  snapshots: ["Snapshots", "Copies the database, so that it can be restored.", "snapshot", "Take a snapshot now"],
  collector: ["Garbage collection", "Frees the space of what was deleted."],
  lifecycle: ["Lifecycle", "Carries out the lifecycle rules of buckets."],
  "upload-expiry": ["Unfinished uploads", "Aborts uploads that nobody finished."],
  "epoch-sweeper": ["Crash leftovers", "Finds files that a crash left behind."],
  events: ["Webhook", "Tells a webhook what happened."],
  undelete: ["Undelete window", "Lets go of deleted objects whose undelete window is over."],
  "disk-trial": ["Disk", "Watches whether the disk takes writes."],
  "access-logs": ["Access logs", "Delivers the access logs of buckets."],
  "lock-clock": ["Clock", "Watches that nobody opens object locks by setting the clock."],
};

/** The card of a job; `show` tells what changed. Its button stays, so that no click and no focus is lost. */
function card(job, look) {
  const [title, purpose, start, label] = KINDS[job.kind] ?? KINDS[job.name] ?? [job.name.replaceAll("-", " ")];
  const [state, told] = [h("div", {}), h("div", { class: "told" })];
  const begin = async () => {
    await post(`/v1/jobs/${start}/start`, {});
    toast(start === "scrub" ? "The scrub runs." : "A snapshot is being taken.");
    await look();
  };
  const node = h(
    "section",
    { class: "panel job", "aria-label": title },
    h("div", { class: "title" }, h("h2", {}, title), state),
    purpose ? h("p", { class: "hint" }, purpose) : null,
    told,
    start ? h("div", { class: "actions" }, button(label, begin, { class: "primary" })) : null,
  );
  node.show = ({ state: word, progress, pace, last_step: last, last_error: error, steps, detail }) => {
    put(state, badge(word, STATES[word] ?? ""));
    const share = progress ?? null;
    put(
      told,
      share === null
        ? null
        : h(
            "p",
            { class: "progress" },
            meter(share, `${Math.round(share * 100)} % done`),
            `${(share * 100).toFixed(1)} %`,
          ),
      facts([
        // The server counts in seconds, also when they are many.
        ["Pace", pace?.replace(/^(\d+) s/, (_, seconds) => duration(Number(seconds)))],
        ["Last step", last ? h("span", { title: date(last) }, ago(last)) : "none yet"],
        ["Last result", last ? (error ? "failed" : "went well") : null],
        ["Steps", number(steps)],
        ["Now", detail],
        ["In logs", h("code", {}, job.name)],
      ]),
      error ? h("p", { class: "note error" }, error) : null,
    );
  };
  return node;
}

/** Shows the page. */
export async function render({ main, signal }) {
  const shown = new Map();
  const list = h("div", { class: "halves" });
  const look = async () => {
    const { jobs } = await get("/v1/jobs", { signal });
    for (const job of jobs) {
      if (!shown.has(job.name)) {
        shown.set(job.name, card(job, look));
        list.append(shown.get(job.name));
      }
      shown.get(job.name).show(job);
    }
  };
  await look();
  put(
    main,
    h("h1", {}, "Jobs"),
    h(
      "p",
      { class: "hint" },
      "What the server does in the background. Imports and exports are not among it: they run where ",
      h("code", {}, "sluicegate import"),
      " was started and show their progress there; what they send is under ",
      h("a", { href: "#/logs" }, "Requests"),
      ".",
    ),
    list,
  );
  setTimeout(() => every(LOOK_SECONDS, signal, () => look().catch(() => {})), LOOK_SECONDS * 1000);
}
