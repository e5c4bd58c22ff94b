// The files of a bucket: folders and objects, a thousand at a time, uploads by drop or choice, and deleting many.

import { announce, badge, button, explain, h, linkButton, note, put, table, toast, when } from "../dom.js";
import { field, form, openDialog } from "../forms.js";
import { ago, bytes, number, plural, visible } from "../format.js";
import { droppedFiles, pickedFiles } from "../files.js";
import { abortUpload, downloadUrl, isAddressable, listObjects, listVersions, PAGE, s3, s3Url } from "../s3.js";
import { onUploaded, startUploads } from "../upload-panel.js";
import { forgetId, remembered } from "../upload-memory.js";
import { restoreAll } from "../bulk.js";
import { deleteDialog, settleConflicts, tellOutcome } from "./bulk.js";

const enc = encodeURIComponent;
const place = (bucket, prefix) =>
  prefix === "" ? `#/buckets/${enc(bucket)}` : `#/buckets/${enc(bucket)}/files/${enc(prefix)}`;
const objectPlace = (bucket, key) => `#/buckets/${enc(bucket)}/object/${enc(key)}`;
/** Milliseconds after the last upload of a row until the list is read again. */
const SETTLE_MS = 800;
/** Pages of versions that are read on to find one deleted object. */
const LOOKS_MAX = 20;

function crumbs(bucket, prefix) {
  const steps = prefix.split("/").slice(0, -1);
  const links = [h("a", { href: place(bucket, "") }, bucket)];
  let path = "";
  for (const step of steps) {
    path += `${step}/`;
    links.push(h("a", { href: place(bucket, path) }, visible(step) || "(no name)"));
  }
  links.at(-1).setAttribute("aria-current", "page");
  return h(
    "nav",
    { "aria-label": "Folders", class: "crumbs" },
    h("ol", {}, ...links.map((link) => h("li", {}, link))),
  );
}

/** One page of the list: `{folders, rows, next}`; rows are `{key, size, modified, isDeleted}`. */
async function readPage(bucket, prefix, { deleted, after, signal }) {
  if (!deleted) {
    const page = await listObjects(bucket, { prefix, token: after, signal });
    // The folder's own marker is the folder that one is in.
    return {
      folders: page.folders,
      rows: page.objects.filter(({ key }) => key !== prefix || !key.endsWith("/")),
      next: page.next,
    };
  }
  let page;
  let rows = [];
  // A page of versions of what is not deleted shows nothing.
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    page = await listVersions(bucket, { prefix, after: page?.next ?? after, signal });
    rows = page.versions.filter(({ isLatest, isMarker }) => isLatest && isMarker);
    if (rows.length > 0 || page.folders.length > 0 || page.next === null) break;
  }
  return { folders: page.folders, rows: rows.map((row) => ({ ...row, isDeleted: true })), next: page.next };
}

function newFolder(bucket, prefix) {
  return openDialog("New folder", (close) => {
    const name = field({
      label: "Name",
      required: true,
      maxlength: "200",
      hint: "Kept as an empty object whose name ends with a slash.",
    });
    return form(
      {
        submit: "Create folder",
        cancel: () => close(),
        work: async () => {
          const plain = name.input.value.trim().replace(/^\/+|\/+$/g, "");
          if (plain === "") throw new Error("A folder needs a name that is more than slashes.");
          const path = `${prefix}${plain}/`;
          await s3("PUT", s3Url(bucket, path), { body: "" });
          close(path);
        },
      },
      name,
    );
  });
}

/** The buttons and hidden inputs that choose files. */
function uploadButtons(begin) {
  const one = h("input", {
    type: "file",
    multiple: true,
    class: "unseen",
    id: "pick-files",
    tabindex: "-1",
    "aria-label": "Files to upload",
  });
  const many = h("input", {
    type: "file",
    webkitdirectory: true,
    class: "unseen",
    id: "pick-folder",
    tabindex: "-1",
    "aria-label": "Folder to upload",
  });
  for (const input of [one, many]) {
    input.addEventListener("change", () => {
      const files = pickedFiles(input);
      input.value = "";
      begin(files);
    });
  }
  return [
    one,
    many,
    button("Upload files", () => one.click(), { class: "primary" }),
    button("Upload folder", () => many.click()),
  ];
}

/** Lets the whole page take a drop. */
function acceptDrops(signal, zone, begin) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const mark = () => zone.classList.toggle("dropping", depth > 0);
  const on = (name, work) =>
    window.addEventListener(
      name,
      (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        work(event);
        mark();
      },
      { signal },
    );
  on("dragenter", () => {
    depth += 1;
  });
  on("dragleave", () => {
    depth = Math.max(0, depth - 1);
  });
  on("dragover", () => {});
  on("drop", async (event) => {
    depth = 0;
    try {
      await begin(await droppedFiles(event.dataTransfer));
    } catch (error) {
      toast(explain(error), "error");
    }
  });
}

/** The list with its boxes, and what is picked in it. */
function fileList(bucket, prefix, { suffix, empty, changed }) {
  const boxes = new Map();
  const columns = [
    { label: "", class: "box" },
    { label: "Name" },
    { label: "Size", class: "number" },
    { label: "Changed" },
    { label: "", class: "end" },
  ];
  const data = table({ caption: "Files", columns, rows: [], empty });
  const all = h("input", { type: "checkbox", "aria-label": "Pick all on this page" });
  put(data.querySelector("th"), all);
  const settle = () => {
    const on = [...boxes.keys()].filter((box) => box.checked).length;
    all.checked = on > 0 && on === boxes.size;
    all.indeterminate = on > 0 && on < boxes.size;
    changed(on);
  };
  all.addEventListener("change", () => {
    for (const box of boxes.keys()) box.checked = all.checked;
    settle();
  });
  const box = (item, name) => {
    const node = h("input", { type: "checkbox", "aria-label": `Pick ${visible(name)}` });
    node.addEventListener("change", settle);
    boxes.set(node, item);
    return node;
  };
  return {
    node: data,
    picked() {
      const items = [...boxes].filter(([node]) => node.checked).map(([, item]) => item);
      return {
        keys: items.filter(({ key }) => key !== undefined).map(({ key }) => key),
        folders: items.filter(({ folder }) => folder !== undefined).map(({ folder }) => folder),
        markers: items.filter(({ version }) => version !== undefined),
      };
    },
    show({ folders, rows }) {
      boxes.clear();
      const named = (key) => visible(key.slice(prefix.slice(0, prefix.lastIndexOf("/") + 1).length)) || "(no name)";
      data.fillRows([
        ...folders.map((folder) => [
          box({ folder }, folder),
          h("a", { class: "key folder", href: place(bucket, folder) + suffix }, named(folder)),
          "",
          "",
          "",
        ]),
        ...rows.map((row) => [
          box(row.isDeleted ? { key: row.key, version: row.version } : { key: row.key }, row.key),
          h(
            "span",
            {},
            h("a", { class: "key file", href: objectPlace(bucket, row.key) }, named(row.key)),
            row.isDeleted ? badge("deleted", "warning") : null,
          ),
          row.isDeleted ? "" : bytes(row.size),
          when(row.modified, ago(row.modified)),
          row.isDeleted || !isAddressable(row.key)
            ? ""
            : h(
                "a",
                { href: downloadUrl(bucket, row.key), download: "", "aria-label": `Download ${visible(row.key)}` },
                "Download",
              ),
        ]),
      ]);
      settle();
    },
  };
}

function interrupted(bucket) {
  const open = remembered(bucket);
  if (open.length === 0) return null;
  const names = open
    .slice(0, 5)
    .map(({ file, key }) => (key.endsWith(file) ? key : `${file} as ${key}`))
    .map(visible)
    .join(", ");
  const node = note(
    "info",
    h(
      "p",
      {},
      `${plural(open.length, "upload")} did not finish: ${names}${open.length > 5 ? ", …" : ""}. ` +
        "Choose the same file in the same folder again, and it goes on where it stopped.",
    ),
    button(open.length === 1 ? "Give it up" : "Give them up", async () => {
      for (const { key, id } of open) {
        await abortUpload(bucket, key, id);
        forgetId(id);
      }
      node.remove();
      toast("What was sent of it is deleted.");
    }),
  );
  return node;
}

/** Moves through the pages of the list; page starts are kept, so that going back asks for no others. */
function pager(show) {
  const starts = [];
  const told = h("p", { class: "status", role: "status" });
  const back = button("Previous page", () => {
    starts.pop();
    return show(starts.pop() ?? null);
  });
  let next = null;
  const forward = button("Next page", () => show(next));
  return {
    node: h("div", { class: "pager" }, back, told, forward),
    starts,
    moved(count, after) {
      next = after;
      back.hidden = starts.length <= 1;
      forward.hidden = after === null;
      const first = (starts.length - 1) * PAGE + 1;
      told.textContent =
        count === 0
          ? ""
          : starts.length === 1 && after === null
            ? `${plural(count, "entry", "entries")}`
            : `${number(first)} to ${number(first + count - 1)}${after === null ? "" : " of more"}`;
      announce(count === 0 ? "The list is empty." : told.textContent);
    },
  };
}

/** What the list says if it has nothing to show. */
function emptyText({ deleted, isSearch, folder }) {
  if (deleted) return "Nothing here was deleted in a way that left an older version behind.";
  if (isSearch) return "No name here begins like that.";
  return folder === "" ? "This bucket has no objects yet." : "This folder is empty.";
}

/** The button for what is picked: deletes, or brings back what was deleted. */
function pickButton(bucket, deleted, { list, first }) {
  const word = deleted ? "Restore" : "Delete…";
  const work = async () => {
    if (deleted) tellOutcome(await restoreAll(bucket, list().picked(), {}), "restored", "restored");
    else if (!(await deleteDialog(bucket, list().picked()))) return;
    await first();
    // Nothing is picked any more: the button takes no focus now.
    document.querySelector("#main h1")?.focus({ preventScroll: true });
  };
  const node = button(word, work, { class: deleted ? "primary" : "danger", disabled: true });
  node.count = (count) => {
    node.disabled = count === 0;
    node.textContent = count === 0 ? word : deleted ? `Restore ${number(count)}` : `Delete ${number(count)}…`;
  };
  return node;
}

/** Shows the page. */
export async function render({ main, bucket, prefix = "", session, signal, search }) {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const deleted = search.get("deleted") === "1";
  const remove = pickButton(bucket, deleted, { list: () => list, first: () => first() });
  const list = fileList(bucket, prefix, {
    suffix: deleted ? "?deleted=1" : "",
    empty: emptyText({ deleted, folder, isSearch: prefix !== folder }),
    changed: remove.count,
  });
  const show = async (after) => {
    const page = await readPage(bucket, prefix, { deleted, after, signal });
    pages.starts.push(after);
    list.show(page);
    pages.moved(page.folders.length + page.rows.length, page.next);
  };
  const pages = pager(show);
  const first = async () => {
    pages.starts.length = 0;
    await show(null);
  };
  await first();

  const begin = async (files) => {
    const chosen = await settleConflicts(bucket, folder, files);
    if (chosen.length === 0 && files.length > 0) return;
    startUploads(chosen.map(({ file, path }) => ({ file, bucket, key: folder + path })));
  };
  let settling = null;
  onUploaded(signal, (upload) => {
    if (upload.bucket !== bucket || !upload.key.startsWith(prefix)) return;
    clearTimeout(settling);
    // Reading the list again would lose what is picked in it, and the place that one is at.
    settling = setTimeout(() => {
      if (pages.starts.length === 1 && remove.disabled) first().catch(() => {});
    }, SETTLE_MS);
  });

  const find = field({
    label: "Find by the beginning of the name",
    type: "search",
    value: prefix.slice(folder.length),
  });
  const seek = h("form", { role: "search", class: "find" }, find, h("button", { type: "submit" }, "Find"));
  seek.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = place(bucket, folder + find.input.value) + (deleted ? "?deleted=1" : "");
  });
  const other = deleted ? place(bucket, prefix) : `${place(bucket, prefix)}?deleted=1`;
  put(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, bucket), crumbs(bucket, prefix)),
      h(
        "div",
        { class: "actions" },
        session.is_admin
          ? [
              linkButton("Add a key…", `#/keys?add=restic-append-only&bucket=${enc(bucket)}`),
              linkButton("Settings", `#/buckets/${enc(bucket)}/settings`),
            ]
          : null,
      ),
    ),
    interrupted(bucket),
    deleted && session.is_admin
      ? note(
          "info",
          h(
            "p",
            {},
            "Here is what an older version is left of. What an undelete window keeps, also without versioning, is ",
            h("a", { href: `#/buckets/${enc(bucket)}/settings/undelete` }, "in the settings"),
            ".",
          ),
        )
      : null,
    h(
      "div",
      { class: "toolbar" },
      seek,
      h(
        "div",
        { class: "actions" },
        remove,
        linkButton(deleted ? "Show objects" : "Show deleted", other),
        deleted
          ? null
          : button("New folder…", async () => {
              const path = await newFolder(bucket, folder);
              if (path) location.hash = place(bucket, path);
            }),
        deleted ? null : uploadButtons(begin),
      ),
    ),
  );
  const zone = h(
    "section",
    { class: "panel flush drop", "aria-label": "Files" },
    list.node,
    deleted
      ? ""
      : h(
          "p",
          { class: "drop-hint", "aria-hidden": "true" },
          "Drop files and folders anywhere on this page to upload them here.",
        ),
  );
  main.append(zone, pages.node);
  if (!deleted) acceptDrops(signal, zone, begin);
}
