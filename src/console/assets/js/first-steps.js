// What a new server needs before it is of use: a bucket, and a key for the program that will fill it. Shown on the
// overview until both are there, or somebody says that they know.

import { h, linkButton, panel } from "./dom.js";

const DISMISSED = "sluicegate-first-steps";

function isDismissed() {
  try {
    return localStorage.getItem(DISMISSED) !== null;
  } catch {
    return false;
  }
}

function step(done, title, told, ...links) {
  return h(
    "li",
    { class: done ? "done" : null },
    h("div", {}, h("strong", {}, done ? `${title}: done` : title), h("p", { class: "hint" }, told)),
    h("div", { class: "actions" }, ...links),
  );
}

/** The panel, or `null` if nothing is left to do. `keys` are all keys, root's included. */
export function firstSteps({ buckets, keys }) {
  const hasKey = keys.some((key) => !key.is_root);
  if ((buckets > 0 && hasKey) || isDismissed()) return null;
  const bucket = buckets > 0;
  const dismiss = h("button", { type: "button", class: "quiet" }, "Do not show this again");
  const node = panel(
    "First steps",
    h(
      "ol",
      { class: "list steps" },
      step(
        bucket,
        "1. Create a bucket",
        "A bucket holds objects, as a folder holds files. One for backups protects them from being deleted.",
        linkButton("Create a bucket for backups", "#/buckets?create=backup", { class: bucket ? "" : "primary" }),
        linkButton("Create another kind", "#/buckets?create=plain"),
      ),
      step(
        hasKey,
        "2. Add a key for the program or the machine",
        "So that root's key stays here. An append-only key adds backups and can neither delete nor overwrite them.",
        linkButton("Add a key for restic", "#/keys?add=restic-append-only", { class: bucket ? "primary" : "" }),
        linkButton("Add another key", "#/keys?add=read-only"),
      ),
      step(false, "3. Paste the commands", "With the key you get the commands for restic, aws, rclone and kopia."),
    ),
    h("div", { class: "actions" }, dismiss),
  );
  dismiss.addEventListener("click", () => {
    try {
      localStorage.setItem(DISMISSED, "1");
    } catch {
      // Then it goes for this time only.
    }
    node.remove();
    document.querySelector("#main h1")?.focus();
  });
  return node;
}
