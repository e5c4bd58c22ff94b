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
/** What each kind of job is for. */
const PURPOSES = {
  scrub: "Reads everything that is stored again and finds damage before a reader does.",
  snapshot: "Copies the database, so that it can be restored.",
  garbage: "Frees the chunks of what was deleted.",
  collector: "Frees the chunks of what was deleted.",
  lifecycle: "Carries out the lifecycle rules of buckets.",
  expiry: "Aborts uploads that nobody finished.",
  sweeper: "Finds files that a crash left behind.",
  delivery: "Tells webhooks what happened.",
  disk: "Watches whether the disk takes writes.",
};
const STARTS = { scrub: "Start scrub now", snapshot: "Take a snapshot now" };

const kindOf = (job) => Object.keys(STARTS).find((kind) => job.kind === kind || job.name === kind) ?? null;

function card(job, look) {
  const [word, kind] = STATES[job.state] ?? [job.state, ""];
  const start = kindOf(job);
  const node = h("section", { class: "panel job", "aria-label": job.name });
  const purpose = PURPOSES[job.kind] ?? PURPOSES[job.name];
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
            STARTS[start],
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
