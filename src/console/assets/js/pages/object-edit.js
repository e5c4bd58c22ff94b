// Edits what is known of an object: its tags, and its metadata, which S3 changes by copying the object onto itself.

import { button, h, note, toast } from "../dom.js";
import { field, form, openDialog } from "../forms.js";
import { s3Document, s3Url, s3Xml } from "../s3.js";
import { documentOf, element } from "../xml.js";

/** S3's bound on the tags of an object. */
const TAGS_MAX = 10;
/** S3's bound on what one copy takes. */
export const COPY_BYTES_MAX = 5 * 1024 ** 3;
/** S3's bound on all names and values that an uploader sets. */
const OWN_BYTES_MAX = 2048;
const OWN = "x-amz-meta-";
/** Headers of an object that can be changed: `[name, label, example]`. */
const HEADERS = [
  ["content-type", "Content type", "text/plain"],
  ["cache-control", "Cache control", "max-age=3600"],
  ["content-disposition", "Disposition", "attachment"],
  ["content-encoding", "Content encoding", "gzip"],
  ["content-language", "Language", "en"],
];
/** Headers that a copy would lose, because S3 takes them from the request. */
const KEPT = [
  "expires",
  "x-amz-website-redirect-location",
  "x-amz-server-side-encryption",
  "x-amz-server-side-encryption-aws-kms-key-id",
];
const TOKEN = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const PLAIN = /^[\x20-\x7e]*$/;

/** A name and a value with a button that takes them away. */
function pair(noun, name, value, { nameMax, valueMax }) {
  const one = field({ label: "Name", value: name, maxlength: nameMax, autocapitalize: "off" });
  const two = field({ label: "Value", value, maxlength: valueMax });
  const row = h(
    "div",
    { class: "columns tag" },
    one,
    two,
    h(
      "button",
      {
        type: "button",
        "aria-label": `Remove ${noun} ${name}`.trim(),
        onclick: () => {
          const next = row.nextElementSibling ?? row.previousElementSibling;
          row.remove();
          next?.querySelector("input").focus();
        },
      },
      "Remove",
    ),
  );
  row.read = () => [one.input.value, two.input.value];
  return row;
}

/** Edits the tags of an object; ends with those that were saved, or `null`. */
export function tagsEditor(bucket, key, tags) {
  return openDialog(
    "Tags",
    (close) => {
      const rows = h("div", {});
      const add = (name = "", value = "") => {
        const row = pair("tag", name, value, { nameMax: "128", valueMax: "256" });
        rows.append(row);
        row.querySelector("input").focus();
      };
      tags.forEach(([name, value]) => add(name, value));
      if (tags.length === 0) add();
      const more = button("Add tag", () => {
        if (rows.children.length < TAGS_MAX) add();
        else toast("An object has 10 tags at most.");
      });
      return form(
        {
          submit: "Save tags",
          cancel: () => close(),
          work: async () => {
            const set = [...rows.children].map((row) => row.read()).filter(([name, value]) => name + value !== "");
            if (set.some(([name]) => name === "")) throw new Error("Every value needs a name.");
            const xml = documentOf(
              "Tagging",
              element(
                "TagSet",
                ...set.map(([name, value]) => element("Tag", element("Key", name), element("Value", value))),
              ),
            );
            await s3Document("PUT", s3Url(bucket, key, { tagging: null }), xml);
            close(set);
          },
        },
        rows,
        h("div", {}, more),
      );
    },
    { wide: true },
  );
}

/** The headers that say what the fields say; throws what no header can carry. */
function readMetadata(fields, rows) {
  const headers = {};
  for (const [name, node] of fields) {
    const value = node.input.value.trim();
    if (!PLAIN.test(value)) throw new Error(`${name}: only letters, digits and signs of ASCII can be sent.`);
    if (value !== "") headers[name] = value;
  }
  let size = 0;
  for (const [raw, value] of rows.map((row) => row.read())) {
    const name = raw.trim().toLowerCase();
    if (name === "" && value === "") continue;
    if (name === "") throw new Error("Every value needs a name.");
    if (!TOKEN.test(name)) throw new Error(`${raw}: a name has letters, digits and hyphens only.`);
    if (!PLAIN.test(value)) throw new Error(`${name}: only letters, digits and signs of ASCII can be sent.`);
    if (OWN + name in headers) throw new Error(`${name} is there twice.`);
    headers[OWN + name] = value.trim();
    size += name.length + value.length;
  }
  if (size > OWN_BYTES_MAX) throw new Error(`Names and values have ${size} bytes; S3 allows ${OWN_BYTES_MAX}.`);
  return headers;
}

async function saveMetadata(bucket, key, old, changed) {
  const kept = KEPT.filter((name) => old.get(name) !== null).map((name) => [name, old.get(name)]);
  const path = `${encodeURIComponent(bucket)}/${encodeURIComponent(key).replaceAll("%2F", "/")}`;
  const version = old.get("x-amz-version-id");
  await s3Xml("PUT", s3Url(bucket, key), {
    headers: {
      ...Object.fromEntries(kept),
      ...changed,
      "x-amz-copy-source": `/${path}${version ? `?versionId=${encodeURIComponent(version)}` : ""}`,
      // What came meanwhile is not taken back.
      "x-amz-copy-source-if-match": old.get("etag"),
      "x-amz-metadata-directive": "REPLACE",
    },
  });
}

/** Edits the metadata of an object, whose headers are `old`; ends with `true` if it was saved. */
export function metadataEditor(bucket, key, old) {
  return openDialog(
    "Metadata",
    (close) => {
      const fields = HEADERS.map(([name, label, example]) => [
        name,
        field({ label, value: old.get(name) ?? "", placeholder: `none, as ${example}`, autocapitalize: "off" }),
      ]);
      const rows = h("div", {});
      const add = (name = "", value = "") => {
        rows.append(pair("metadata", name, value, { nameMax: "200", valueMax: "2000" }));
      };
      [...old]
        .filter(([name]) => name.startsWith(OWN))
        .forEach(([name, value]) => add(name.slice(OWN.length), value));
      const more = button("Add metadata", () => {
        add();
        rows.lastElementChild.querySelector("input").focus();
      });
      return form(
        {
          submit: "Save metadata",
          cancel: () => close(),
          work: async () => {
            await saveMetadata(bucket, key, old, readMetadata(fields, [...rows.children]));
            close(true);
          },
        },
        h("div", { class: "columns" }, ...fields.map(([, node]) => node)),
        h("h3", {}, "Set by the uploader"),
        rows,
        h("div", {}, more),
        note(
          "info",
          h("p", {}, "S3 stores the object again with these. With versioning, the old one stays as a version."),
        ),
      );
    },
    { wide: true },
  );
}
