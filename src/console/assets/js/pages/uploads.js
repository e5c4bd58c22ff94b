// Unfinished uploads of all buckets: what they occupy, and an end for those that nobody will finish.

import { allBuckets } from "../api.js";
import { button, h, put, table, toast, when } from "../dom.js";
import { confirmDialog } from "../forms.js";
import { ago, bytes, number, plural, visible } from "../format.js";
import { abortUpload, listParts, listUploads } from "../s3.js";
import { forgetId } from "../upload-memory.js";

/** Uploads that are listed; who has more needs a lifecycle rule. */
const LISTED_MAX = 1000;
/** Uploads whose parts are asked for at a time. */
const LANES = 4;

async function find(signal) {
  const buckets = await allBuckets({ signal });
  const found = [];
  for (const { name } of buckets) {
    let after;
    do {
      const page = await listUploads(name, { after, signal });
      found.push(...page.uploads);
      after = page.next;
    } while (after && found.length < LISTED_MAX);
    if (found.length >= LISTED_MAX) break;
  }
  return found.slice(0, LISTED_MAX).sort((a, b) => a.started.localeCompare(b.started));
}

/** Fills in what each upload occupies, a few at a time. */
async function measure(uploads, signal, changed) {
  const open = [...uploads];
  const lane = async () => {
    for (let next = open.shift(); next && !signal.aborted; next = open.shift()) {
      try {
        const parts = await listParts(next.bucket, next.key, next.id, { signal });
        next.bytes = [...parts.values()].reduce((sum, { size }) => sum + size, 0);
        next.parts = parts.size;
      } catch (error) {
        if (error.name === "AbortError") return;
        // It ended meanwhile, or may not be looked into.
        next.bytes = null;
      }
      changed(next);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function abort(upload) {
  await abortUpload(upload.bucket, upload.key, upload.id);
  forgetId(upload.id);
}

/** Shows the page. */
export async function render({ main, signal, reload }) {
  const uploads = await find(signal);
  const cells = new Map(uploads.map((upload) => [upload, h("span", {}, "…")]));
  const sum = h("p", { class: "status", role: "status" });
  const tell = () => {
    const known = uploads.filter((upload) => upload.bytes !== undefined);
    const total = known.reduce((all, { bytes: size }) => all + (size ?? 0), 0);
    sum.textContent =
      uploads.length === 0
        ? "None."
        : `${plural(uploads.length, "upload")}${uploads.length === LISTED_MAX ? " or more" : ""}, ` +
          `${bytes(total)} ${known.length < uploads.length ? "and counting" : "in all"}`;
  };
  const columns = [
    { label: "Object" },
    { label: "Begun" },
    { label: "Stored", class: "number" },
    { label: "Upload ID" },
    { label: "", class: "end" },
  ];
  const rows = uploads.map((upload) => [
    h("span", { class: "key" }, `${upload.bucket}/${visible(upload.key)}`),
    when(upload.started, ago(upload.started)),
    cells.get(upload),
    h("code", { class: "key" }, upload.id.length > 16 ? `${upload.id.slice(0, 12)}…` : upload.id),
    button(
      "Abort…",
      async () => {
        const done = await confirmDialog({
          title: "Abort this upload?",
          confirm: "Abort upload",
          text: `The parts of ${visible(upload.key)} that were sent are deleted.`,
          work: () => abort(upload),
        });
        if (done) {
          toast("Upload aborted.");
          await reload();
        }
      },
      { class: "danger", "aria-label": `Abort the upload of ${visible(upload.key)}` },
    ),
  ]);
  const old = uploads.filter(({ started }) => Date.now() - new Date(started).getTime() > 86_400_000);
  const allOld =
    old.length === 0
      ? null
      : button(
          `Abort ${number(old.length)} older than a day…`,
          async () => {
            const done = await confirmDialog({
              title: "Abort old uploads?",
              confirm: "Abort them",
              text: `${plural(old.length, "upload")} that began more than a day ago, with all of their parts.`,
              work: async () => {
                for (const upload of old) await abort(upload);
              },
            });
            if (done) {
              toast("Old uploads aborted.");
              await reload();
            }
          },
          { class: "danger" },
        );
  tell();
  put(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, "Unfinished uploads"), sum),
      h("div", { class: "actions" }, allOld),
    ),
    h(
      "p",
      { class: "hint" },
      "Uploads in parts that were begun and neither finished nor aborted. Their parts take space until then; a lifecycle rule can abort them by itself.",
    ),
    h(
      "div",
      { class: "panel flush" },
      table({ caption: "Unfinished uploads", columns, rows, empty: "Every upload has ended." }),
    ),
  );
  measure(uploads, signal, (upload) => {
    cells.get(upload).textContent =
      upload.bytes === null ? "?" : `${bytes(upload.bytes)} in ${plural(upload.parts, "part")}`;
    tell();
  });
}
