// Work in the background: what runs, how fast, what it last did, and what can be started by hand.

import { get, post } from "../api.js";
import { badge, button, every, facts, h, meter, put, toast } from "../dom.js";
import { ago, date, number } from "../format.js";

const LOOK_SECONDS = 3;
const STATES = {
  running: ["running", "good"],
  resting: ["resting", ""],
  failing: ["failing", "bad"],
  done: ["done", "good"],
};
/** What each kind of job is for, and how one begins it by hand: `[purpose, start, label]`. */
const KINDS = {
  scrub: ["Reads everything that is stored again and finds damage before a reader does.", "scrub", "Start scrub now"],
  snapshots: ["Copies the database, so that it can be restored.", "snapshot", "Take a snapshot now"],
  collector: ["Frees the chunks of what was deleted."],
  lifecycle: ["Carries out the lifecycle rules of buckets."],
  "upload-expiry": ["Aborts uploads that nobody finished."],
  "epoch-sweeper": ["Finds files that a crash left behind."],
  events: ["Tells a webhook what happened."],
  undelete: ["Lets go of deleted objects whose undelete window is over."],
  "disk-trial": ["Watches whether the disk takes writes."],
  "access-logs": ["Delivers the access logs of buckets."],
  "lock-clock": ["Watches that nobody opens object locks by setting the clock."],
};

function card(job, look) {
  const [word, kind] = STATES[job.state] ?? [job.state, ""];
  const [purpose, start, label] = KINDS[job.kind] ?? KINDS[job.name] ?? [];
  const node = h("section", { class: "panel job", "aria-label": job.name });
  put(
    node,
    h("div", { class: "title" }, h("h2", {}, job.name), badge(word, kind)),
    purpose ? h("p", { class: "hint" }, purpose) : null,
    job.progress === null || job.progress === undefined
      ? null
      : h(
          "p",
          { class: "progress" },
          meter(job.progress, `${Math.round(job.progress * 100)} % done`),
          `${(job.progress * 100).toFixed(1)} %`,
        ),
    facts([
      ["Pace", job.pace],
      ["Last step", job.last_step ? h("span", { title: date(job.last_step) }, ago(job.last_step)) : "none yet"],
      ["Steps", number(job.steps)],
      ["Now", job.detail],
    ]),
    job.last_error ? h("p", { class: "note error" }, job.last_error) : null,
    start
      ? h(
          "div",
          { class: "actions" },
          button(
            label,
            async () => {
              await post(`/v1/jobs/${start}/start`, {});
              toast(start === "scrub" ? "The scrub runs." : "A snapshot is being taken.");
              await look();
            },
            { class: "primary" },
          ),
        )
      : null,
  );
  return node;
}

/** Shows the page. */
export async function render({ main, signal }) {
  const cards = h("div", { class: "halves" });
  let shown = "";
  const look = async () => {
    const { jobs } = await get("/v1/jobs", { signal });
    const text = JSON.stringify(jobs);
    if (text === shown) return;
    shown = text;
    // The button that has the focus is made anew: its successor gets it.
    const focused = document.activeElement?.closest(".job")?.getAttribute("aria-label");
    put(
      cards,
      jobs.map((job) => card(job, look)),
    );
    if (focused)
      [...cards.children]
        .find((node) => node.getAttribute("aria-label") === focused)
        ?.querySelector("button")
        ?.focus();
  };
  await look();
  put(main, h("h1", {}, "Jobs"), cards);
  setTimeout(() => every(LOOK_SECONDS, signal, () => look().catch(() => {})), LOOK_SECONDS * 1000);
}
