// One object: a look into it, what is known of it, its versions and tags, links that share it, and its end.

import { post } from "../api.js";
import { badge, button, copyable, facts, h, linkButton, note, panel, put, table, toast, when } from "../dom.js";
import { confirmDialog, field, form, openDialog, wholeNumber } from "../forms.js";
import { baseName, bytes, date, visible } from "../format.js";
import { preview } from "../preview.js";
import {
  deleteObject,
  downloadUrl,
  isAddressable,
  listVersions,
  optionalXml,
  restoreVersion,
  s3,
  s3Url,
} from "../s3.js";
import { all, child, text } from "../xml.js";
import { COPY_BYTES_MAX, metadataEditor, tagsEditor } from "./object-edit.js";

const enc = encodeURIComponent;
const KNOWN_HEADERS = {
  "content-type": "Content type",
  "content-encoding": "Content encoding",
  "content-language": "Language",
  "content-disposition": "Disposition",
  "cache-control": "Cache control",
  expires: "Expires",
  etag: "ETag",
  "x-amz-version-id": "Version",
  "x-amz-server-side-encryption": "Encryption",
  "x-amz-server-side-encryption-aws-kms-key-id": "Encryption key",
  "x-amz-object-lock-mode": "Lock",
  "x-amz-object-lock-retain-until-date": "Locked until",
  "x-amz-object-lock-legal-hold": "Legal hold",
  "x-amz-expiration": "Expires by rule",
  "x-amz-mp-parts-count": "Parts",
  "x-amz-storage-class": "Storage class",
};

async function readHead(bucket, key, version, signal) {
  const headers = { "x-amz-checksum-mode": "ENABLED" };
  try {
    return (await s3("HEAD", s3Url(bucket, key, { versionId: version }), { headers, signal })).headers;
  } catch (error) {
    if (error.status === 404 || error.status === 405) return null;
    throw error;
  }
}

async function readVersions(bucket, key, signal) {
  const found = [];
  let after;
  do {
    const page = await listVersions(bucket, { prefix: key, delimiter: "", after, max: 200, signal });
    found.push(...page.versions.filter((version) => version.key === key));
    // Keys come in order: whatever follows another key is not about this one.
    after = page.versions.every((version) => version.key === key) ? page.next : null;
  } while (after && found.length < 1000);
  return found;
}

function shareDialog(bucket, key, version) {
  return openDialog("Share link", (close) => {
    const count = field({ label: "Valid for", type: "number", min: "1", value: "24", required: true });
    const unit = field({
      label: "Unit",
      value: "3600",
      options: [
        ["60", "minutes"],
        ["3600", "hours"],
        ["86400", "days"],
      ],
    });
    const shown = h("div", { "aria-live": "polite" });
    return h(
      "div",
      {},
      h(
        "p",
        {},
        "Whoever has the link can download this object until it expires, without a key. It cannot be taken back.",
      ),
      form(
        {
          submit: "Make link",
          cancel: () => close(),
          work: async () => {
            const seconds = wholeNumber(count.input, "Valid for", { min: 1 }) * Number(unit.input.value);
            if (seconds > 604_800) throw new Error("A link is valid for 7 days at most.");
            const body = { method: "GET", bucket, key, expires_seconds: seconds };
            if (version) body.version_id = version;
            const { url } = await post("/v1/presign", body);
            put(
              shown,
              copyable("Link", url),
              h("p", { class: "hint" }, `Valid until ${date(Date.now() + seconds * 1000)}.`),
            );
            shown.querySelector("input").select();
          },
        },
        h("div", { class: "columns" }, count, unit),
      ),
      shown,
    );
  });
}

async function readTags(bucket, key, signal) {
  const root = await optionalXml(s3Url(bucket, key, { tagging: null }), ["NoSuchTagSet", "AccessDenied"], { signal });
  return all(child(root, "TagSet"), "Tag").map((tag) => [text(tag, "Key"), text(tag, "Value")]);
}

function tagsPanel(bucket, key, tags, reload) {
  const list =
    tags.length === 0
      ? h("p", { class: "hint" }, "No tags.")
      : facts(tags.map(([name, value]) => [name, value || "(empty)"]));
  return panel(
    "Tags",
    list,
    h(
      "div",
      { class: "actions" },
      button("Edit tags…", async () => {
        if (await tagsEditor(bucket, key, tags)) {
          toast("Tags saved.");
          await reload();
        }
      }),
    ),
  );
}

function metadataPanel(bucket, key, headers, reload) {
  const own = [...headers]
    .filter(([name]) => name.startsWith("x-amz-meta-"))
    .map(([name, value]) => [name.slice("x-amz-meta-".length), value]);
  const checksums = [...headers]
    .filter(([name]) => name.startsWith("x-amz-checksum-") && name !== "x-amz-checksum-type")
    .map(([name, value]) => [name.slice("x-amz-checksum-".length).toUpperCase(), value]);
  return panel(
    "Metadata",
    facts([
      ["Size", `${bytes(Number(headers.get("content-length")))} (${headers.get("content-length")} bytes)`],
      ["Changed", date(headers.get("last-modified"))],
      ...Object.entries(KNOWN_HEADERS).map(([name, label]) => [label, headers.get(name)]),
      ...checksums,
    ]),
    own.length === 0 ? null : [h("h3", {}, "Set by the uploader"), facts(own)],
    h(
      "div",
      { class: "actions" },
      Number(headers.get("content-length")) > COPY_BYTES_MAX
        ? h("p", { class: "hint" }, "Of objects larger than 5 GiB, S3 changes metadata only by another upload.")
        : button("Edit metadata…", async () => {
            if (await metadataEditor(bucket, key, headers)) {
              toast("Metadata saved.");
              await reload();
            }
          }),
    ),
  );
}

function versionRow({ bucket, key, addressable }, version, isOnly, reload) {
  const actions = h("div", { class: "actions" });
  if (!addressable) return [when(version.modified, date(version.modified)), "", version.version, ""];
  if (version.isMarker) {
    actions.append(
      button(
        "Undelete",
        async () => {
          await deleteObject(bucket, key, version.version);
          toast("The delete marker is gone.");
          await reload();
        },
        { "aria-label": `Undelete: remove the delete marker ${version.version}` },
      ),
    );
  } else {
    actions.append(linkButton("Download", downloadUrl(bucket, key, version.version), { download: "" }));
    if (!version.isLatest) {
      actions.append(
        button(
          "Restore",
          async () => {
            await restoreVersion(bucket, key, version.version);
            toast("This version is the newest again.");
            await reload();
          },
          { "aria-label": `Restore version ${version.version}` },
        ),
      );
    }
    actions.append(
      button(
        "Delete…",
        async () => {
          const done = await confirmDialog({
            title: "Delete this version?",
            confirm: "Delete version",
            text: ["This version is gone for good.", isOnly ? "It is the only one." : "The other versions stay."],
            work: () => deleteObject(bucket, key, version.version),
          });
          if (done) {
            toast("Version deleted.");
            await reload();
          }
        },
        { class: "danger", "aria-label": `Delete version ${version.version}` },
      ),
    );
  }
  return [
    h(
      "span",
      {},
      when(version.modified, date(version.modified)),
      " ",
      version.isLatest ? badge("newest", "good") : null,
      version.isMarker ? badge("deleted", "warning") : null,
    ),
    version.isMarker ? "" : bytes(version.size),
    h("code", { class: "key" }, version.version),
    actions,
  ];
}

function versionsPanel(place, versions, reload) {
  const columns = [
    { label: "Stored" },
    { label: "Size", class: "number" },
    { label: "Version" },
    { label: "", class: "end" },
  ];
  return panel(
    "Versions",
    table({
      caption: "Versions",
      columns,
      rows: versions.map((version) => versionRow(place, version, versions.length === 1, reload)),
    }),
  );
}

/** Shows the page. */
export async function render({ main, bucket, key, signal, reload }) {
  const addressable = isAddressable(key);
  const [headers, versions] = await Promise.all([
    addressable ? readHead(bucket, key, undefined, signal) : null,
    readVersions(bucket, key, signal).catch((error) => {
      if (error.code === "AccessDenied") return [];
      throw error;
    }),
  ]);
  const folder = key.slice(0, key.lastIndexOf("/", key.length - 2) + 1);
  const up = folder === "" ? `#/buckets/${enc(bucket)}` : `#/buckets/${enc(bucket)}/files/${enc(folder)}`;
  const hasVersions = versions.some(({ version }) => version !== null && version !== "null") || versions.length > 1;
  put(
    main,
    h(
      "div",
      { class: "title" },
      h(
        "div",
        {},
        h("h1", {}, visible(baseName(key))),
        h("p", { class: "status" }, "in ", h("a", { href: up }, `${bucket}/${visible(folder)}`)),
      ),
    ),
  );
  if (!addressable)
    main.append(note("warning", h("p", {}, "Browsers cannot name this object in an address. Use aws or rclone.")));
  if (headers === null) {
    if (versions.length === 0) main.append(note("info", h("p", {}, "There is no such object.")));
    else
      main.append(
        note("warning", h("p", {}, "This object is deleted. An older version can be brought back below.")),
        versionsPanel({ bucket, key, addressable }, versions, reload),
      );
    return;
  }
  main.querySelector(".title").append(
    h(
      "div",
      { class: "actions" },
      linkButton("Download", downloadUrl(bucket, key), { class: "primary", download: "" }),
      button("Share link…", () => shareDialog(bucket, key)),
      button(
        "Delete…",
        async () => {
          const done = await confirmDialog({
            title: "Delete this object?",
            confirm: "Delete",
            text: hasVersions
              ? "Its versions stay, and it can be restored from them."
              : "Without versioning it is gone.",
            work: () => deleteObject(bucket, key),
          });
          if (!done) return;
          toast("Object deleted.");
          if (hasVersions) await reload();
          else location.hash = up;
        },
        { class: "danger" },
      ),
    ),
  );
  const seen = h("div", { class: "panel" }, h("p", { class: "hint", role: "status" }, "Loading the preview…"));
  main.append(seen);
  preview({ bucket, key, type: headers.get("content-type"), size: Number(headers.get("content-length")), signal })
    .then((shown) => put(seen, shown))
    .catch(
      (error) => error.name !== "AbortError" && put(seen, h("p", { class: "hint" }, `No preview: ${error.message}`)),
    );
  const tags = await readTags(bucket, key, signal);
  main.append(
    h("div", { class: "halves" }, metadataPanel(bucket, key, headers, reload), tagsPanel(bucket, key, tags, reload)),
    hasVersions ? versionsPanel({ bucket, key, addressable }, versions, reload) : "",
  );
}
