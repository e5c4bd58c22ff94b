// The questions before something is done to many objects, and how it went.

import { h, toast } from "../dom.js";
import { confirmDialog, form, openDialog } from "../forms.js";
import { baseName, number, plural, visible } from "../format.js";
import { deleteAll, emptyBucket, existingKeys } from "../bulk.js";

/** Names that a question lists. */
const NAMES_MAX = 8;

function nameList(names) {
  return [
    h("ul", { class: "names" }, ...names.slice(0, NAMES_MAX).map((name) => h("li", {}, visible(baseName(name))))),
    names.length > NAMES_MAX ? h("p", {}, `and ${number(names.length - NAMES_MAX)} more`) : null,
  ];
}

/** Says how many were done, or why the first of those that were not. */
export function tellOutcome({ count, failed }, done, undone) {
  if (failed.length === 0) {
    toast(`${plural(count, "object")} ${done}.`);
    return;
  }
  const [{ key, message }] = failed;
  const rest = count > 0 ? ` ${plural(count, "object")} ${done}.` : "";
  toast(`${plural(failed.length, "object")} could not be ${undone}. ${visible(key)}: ${message}${rest}`, "error");
}

/** Asks before objects and folders are deleted, and deletes them; whether anything may have changed. */
export async function deleteDialog(bucket, picked) {
  const what = [
    picked.keys.length > 0 ? plural(picked.keys.length, "object") : null,
    picked.folders.length > 0 ? `everything in ${plural(picked.folders.length, "folder")}` : null,
  ]
    .filter(Boolean)
    .join(" and ");
  let gone = null;
  await openDialog("Delete?", (close, signal) => {
    const progress = h("p", { role: "status" });
    const told = (count) => {
      gone = count;
      progress.textContent = `${plural(count, "object")} deleted…`;
    };
    const work = async () => {
      gone ??= 0;
      try {
        tellOutcome(await deleteAll(bucket, picked, { signal, told }), "deleted", "deleted");
      } catch (error) {
        // Whoever closes the dialog meanwhile must know that it is not undone.
        if (error.name === "AbortError") toast(`Stopped: ${plural(gone, "object")} deleted.`);
        throw error;
      }
      close();
    };
    return form(
      { submit: "Delete", danger: true, cancel: () => close(), work },
      h("p", {}, `Deletes ${what}. In a bucket with versions they can be restored; in any other they are gone.`),
      nameList([...picked.folders, ...picked.keys]),
      progress,
    );
  });
  return gone !== null;
}

/** Asks before a bucket is emptied, and empties it; whether anything may have changed. */
export async function emptyDialog(bucket) {
  const progress = h("p", { role: "status" });
  let outcome = null;
  let hasBegun = false;
  await confirmDialog({
    title: `Empty ${bucket}?`,
    confirm: "Delete everything in it",
    typed: bucket,
    text: [
      "Every object with all of its versions is deleted for good, and unfinished uploads are aborted.",
      "Versions that are locked stay.",
      progress,
    ],
    work: async (signal) => {
      hasBegun = true;
      outcome = await emptyBucket(bucket, {
        signal,
        told: (count) => {
          progress.textContent = `${plural(count, "version")} deleted…`;
        },
      });
    },
  });
  if (outcome) tellOutcome(outcome, "deleted", "deleted");
  return hasBegun;
}

/** Which of `{file, path}` to upload to a folder, after asking what to do with those that are there already. */
export async function settleConflicts(bucket, folder, files) {
  // Whoever may not list cannot be asked; the server decides then.
  const there = await existingKeys(
    bucket,
    files.map(({ path }) => folder + path),
  ).catch(() => new Set());
  if (there.size === 0) return files;
  const isNew = ({ path }) => !there.has(folder + path);
  const choice = await openDialog("Replace what is there?", (close) =>
    h(
      "div",
      {},
      h(
        "p",
        {},
        `${plural(there.size, "object")} of that name ${there.size === 1 ? "is" : "are"} there already. ` +
          "Without versioning, what is replaced is gone.",
      ),
      nameList([...there]),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", onclick: () => close(null) }, "Cancel"),
        files.some(isNew)
          ? h("button", { type: "button", onclick: () => close("new") }, "Upload only the others")
          : null,
        h("button", { type: "button", class: "primary", onclick: () => close("all") }, "Replace"),
      ),
    ),
  );
  if (choice === "all") return files;
  return choice === "new" ? files.filter(isNew) : [];
}
