// The lifecycle rules of a bucket: an editor for the usual ones, the others kept word for word, and a rehearsal of
// what the stored rules would do.

import { post, segment } from "../api.js";
import { badge, button, h, note, panel, put, table, toast, uniqueId } from "../dom.js";
import { confirmDialog, field, form, wholeNumber } from "../forms.js";
import { visible } from "../format.js";
import { LIFECYCLE } from "../presets.js";
import { optionalXml, s3, s3Document, s3Url } from "../s3.js";
import { all, child, documentOf, element, integer, text, verbatim } from "../xml.js";

/** What the editor can write; a rule with anything else is kept as it is. */
const EDITABLE = [
  "ID",
  "Status",
  "Prefix",
  "Filter",
  "Expiration",
  "NoncurrentVersionExpiration",
  "AbortIncompleteMultipartUpload",
];

function isEditable(rule) {
  const filter = child(rule, "Filter");
  const filters = filter ? [...filter.children].every((node) => node.localName === "Prefix") : true;
  return (
    filters &&
    text(rule, "Expiration/Date") === null &&
    [...rule.children].every((node) => EDITABLE.includes(node.localName))
  );
}

/** The parts of a rule that the editor shows. */
export function readRule(rule) {
  return {
    id: text(rule, "ID") ?? "",
    enabled: text(rule, "Status") === "Enabled",
    prefix: text(rule, "Filter/Prefix") ?? text(rule, "Prefix") ?? "",
    days: integer(rule, "Expiration/Days"),
    removeMarkers: text(rule, "Expiration/ExpiredObjectDeleteMarker") === "true",
    noncurrentDays: integer(rule, "NoncurrentVersionExpiration/NoncurrentDays"),
    newer: integer(rule, "NoncurrentVersionExpiration/NewerNoncurrentVersions"),
    abortDays: integer(rule, "AbortIncompleteMultipartUpload/DaysAfterInitiation"),
  };
}

/** A rule as XML. */
export function writeRule({
  id,
  enabled = true,
  prefix = "",
  days = null,
  removeMarkers = false,
  noncurrentDays = null,
  newer = null,
  abortDays = null,
}) {
  const expiration =
    days !== null
      ? element("Expiration", element("Days", days))
      : removeMarkers
        ? element("Expiration", element("ExpiredObjectDeleteMarker", "true"))
        : null;
  return element(
    "Rule",
    element("ID", id),
    element("Status", enabled ? "Enabled" : "Disabled"),
    element("Filter", element("Prefix", prefix)),
    expiration,
    noncurrentDays === null
      ? null
      : element(
          "NoncurrentVersionExpiration",
          element("NoncurrentDays", noncurrentDays),
          newer === null ? null : element("NewerNoncurrentVersions", newer),
        ),
    abortDays === null ? null : element("AbortIncompleteMultipartUpload", element("DaysAfterInitiation", abortDays)),
  );
}

function ruleCard(rule, removed) {
  const id = field({ label: "Name of the rule", value: rule.id, required: true, maxlength: "255" });
  const prefix = field({ label: "Only keys that begin with", value: rule.prefix ?? "", placeholder: "all keys" });
  const number = (label, value) =>
    field({ label, type: "number", min: "1", value: value ?? "", placeholder: "never" });
  const days = number("Delete objects after days", rule.days);
  const noncurrent = number("Delete older versions after days", rule.noncurrentDays);
  const newer = field({
    label: "but keep so many of them",
    type: "number",
    min: "1",
    max: "100",
    value: rule.newer ?? "",
    placeholder: "none",
  });
  const abort = number("Abort unfinished uploads after days", rule.abortDays);
  const markers = field({
    label: "Remove delete markers that nothing is left behind",
    type: "checkbox",
    checked: rule.removeMarkers ?? false,
  });
  const enabled = field({ label: "In force", type: "checkbox", checked: rule.enabled ?? true });
  const heading = uniqueId("rule");
  const card = h(
    "section",
    { class: "rule", "aria-labelledby": heading },
    h(
      "div",
      { class: "title" },
      h("h3", { id: heading }, rule.id || "New rule"),
      h(
        "button",
        {
          type: "button",
          "aria-label": `Remove rule ${rule.id}`,
          onclick: () => {
            card.remove();
            removed();
          },
        },
        "Remove",
      ),
    ),
    h("div", { class: "columns" }, id, prefix, days, noncurrent, newer, abort),
    markers,
    enabled,
  );
  card.read = () => {
    const read = {
      id: id.input.value.trim(),
      enabled: enabled.input.checked,
      prefix: prefix.input.value,
      days: wholeNumber(days.input, "Delete objects after days", { min: 1 }),
      removeMarkers: markers.input.checked,
      noncurrentDays: wholeNumber(noncurrent.input, "Delete older versions after days", { min: 1 }),
      newer: wholeNumber(newer.input, "Versions to keep", { min: 1, max: 100 }),
      abortDays: wholeNumber(abort.input, "Abort unfinished uploads after days", { min: 1 }),
    };
    if (read.days !== null && read.removeMarkers)
      throw new Error(`Rule ${read.id}: deleting after days also takes delete markers away; choose one of the two.`);
    if (read.newer !== null && read.noncurrentDays === null)
      throw new Error(`Rule ${read.id}: say after how many days older versions go.`);
    if ([read.days, read.noncurrentDays, read.abortDays].every((one) => one === null) && !read.removeMarkers) {
      throw new Error(`Rule ${read.id}: it does nothing yet.`);
    }
    return writeRule(read);
  };
  return card;
}

function keptCard(rule, removed) {
  const id = text(rule, "ID") ?? "without a name";
  const card = h(
    "section",
    { class: "rule", "aria-label": `Rule ${id}` },
    h(
      "div",
      { class: "title" },
      h("h3", {}, id, " ", badge(text(rule, "Status") === "Enabled" ? "in force" : "off")),
      h(
        "button",
        {
          type: "button",
          "aria-label": `Remove rule ${id}`,
          onclick: () => {
            card.remove();
            removed();
          },
        },
        "Remove",
      ),
    ),
    h("p", { class: "hint" }, "Has conditions that this editor does not offer. It is kept as it is."),
    h(
      "details",
      {},
      h("summary", {}, "As XML"),
      h("pre", { tabindex: "0" }, new XMLSerializer().serializeToString(rule)),
    ),
  );
  card.read = () => verbatim(rule);
  return card;
}

function rehearsal(bucket) {
  const columns = [{ label: "What" }, { label: "Object" }, { label: "Version" }, { label: "Rule" }];
  const data = table({
    caption: "What the rules would do",
    columns,
    rows: [],
    empty: "Nothing would be deleted at that time.",
  });
  const shown = h("div", { hidden: true }, data);
  const told = h("p", { role: "status" });
  const days = field({ label: "As if it were in days from now", type: "number", min: "0", max: "3650", value: "0" });
  const work = async () => {
    const ahead = wholeNumber(days.input, "Days", { max: 3650 }) ?? 0;
    const at = new Date(Date.now() + ahead * 86_400_000).toISOString();
    const { actions, is_truncated: isTruncated } = await post(
      `/v1/buckets/${segment(bucket)}/lifecycle/dry-run`,
      ahead === 0 ? {} : { at },
    );
    data.fillRows(
      actions.map(({ action, key, version_id: version, rule, is_locked: isLocked }) => [
        h("span", {}, action, isLocked ? badge("stays: it is locked", "warning") : null),
        h("span", { class: "key" }, visible(key)),
        h("code", { class: "key" }, version ?? "–"),
        rule ?? "–",
      ]),
    );
    shown.hidden = false;
    told.textContent = `${actions.length} ${actions.length === 1 ? "action" : "actions"}${isTruncated ? ", and more that are not listed" : ""}.`;
  };
  return panel(
    "Rehearsal",
    h("p", {}, "Shows what the saved rules would do. Nothing is deleted."),
    form({ submit: "Rehearse", work }, days),
    told,
    shown,
  );
}

/** The tab. */
export async function renderLifecycle({ bucket, signal, reload }) {
  const url = s3Url(bucket, null, { lifecycle: null });
  const root = await optionalXml(url, ["NoSuchLifecycleConfiguration"], { signal });
  const list = h("div", { class: "rules" });
  const nothing = h("p", { class: "hint" }, "No rules: nothing is ever deleted by itself.");
  const settle = () => {
    nothing.hidden = list.children.length > 0;
  };
  put(
    list,
    all(root, "Rule").map((rule) => (isEditable(rule) ? ruleCard(readRule(rule), settle) : keptCard(rule, settle))),
  );
  settle();
  const add = (preset) => {
    // Ids are unique: the second rule of a kind is counted.
    const taken = new Set([...list.querySelectorAll("input[maxlength='255']")].map((input) => input.value));
    const rule = { ...preset };
    for (let count = 2; rule.id !== "" && taken.has(rule.id); count += 1) rule.id = `${preset.id}-${count}`;
    const card = ruleCard(rule, settle);
    list.append(card);
    settle();
    card.querySelector("input").focus();
  };
  const presets = h(
    "div",
    { class: "presets", role: "group", "aria-label": "Add a rule" },
    ...LIFECYCLE.map(([label, rule]) => button(label, () => add(rule))),
    button("Empty rule", () => add({ id: "" })),
  );
  const work = async () => {
    const rules = [...list.children].map((card) => card.read());
    if (rules.length === 0) await s3("DELETE", url);
    else await s3Document("PUT", url, documentOf("LifecycleConfiguration", ...rules));
    toast(rules.length === 0 ? "All rules are removed." : "Rules saved.");
    await reload();
  };
  const save = async () => {
    const dangerous = [...list.children].some((card) => !!card.querySelector("input[type=number]"));
    if (dangerous && !root) {
      const sure = await confirmDialog({
        title: "Put the rules in force?",
        confirm: "Save rules",
        danger: false,
        text: "Rules delete objects by themselves from now on. The rehearsal below shows what they would do.",
      });
      if (!sure) return;
    }
    await work();
  };
  return [
    note("info", h("p", {}, "Rules delete what is old, at most once a day after it is due.")),
    panel(
      "Rules",
      h("p", { class: "hint" }, "Add a rule:"),
      presets,
      form({ submit: "Save rules", work: save }, nothing, list),
    ),
    rehearsal(bucket),
  ];
}
