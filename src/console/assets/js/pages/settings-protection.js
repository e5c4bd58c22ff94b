// What keeps objects from being lost: the default retention of object lock, and the undelete window with what can be
// brought back from it.

import { api, get, post, query, segment } from "../api.js";
import { badge, button, h, note, panel, table, toast, when } from "../dom.js";
import { confirmDialog, field, form, wholeNumber } from "../forms.js";
import { ago, bytes, plural, visible } from "../format.js";
import { optionalXml, s3Document, s3Url } from "../s3.js";
import { documentOf, element, integer, text } from "../xml.js";

/** The tab of object lock. */
export async function renderLock({ bucket, info, signal, reload }) {
  const url = s3Url(bucket, null, { "object-lock": null });
  const root = await optionalXml(url, ["ObjectLockConfigurationNotFoundError"], { signal });
  const rule = "Rule/DefaultRetention";
  const days = integer(root, `${rule}/Days`);
  const years = integer(root, `${rule}/Years`);
  const count = field({
    label: "New objects are locked for",
    type: "number",
    min: "1",
    value: days ?? years ?? "",
    placeholder: "not at all",
    hint: "Empty: only if the request says so.",
  });
  const unit = field({
    label: "Unit",
    value: years === null ? "Days" : "Years",
    options: [
      ["Days", "days"],
      ["Years", "years"],
    ],
  });
  const mode = field({
    label: "Mode",
    value: text(root, `${rule}/Mode`) ?? "GOVERNANCE",
    options: [
      ["GOVERNANCE", "Governance: keys with a special right may lift it"],
      ["COMPLIANCE", "Compliance: nobody may lift it"],
    ],
  });
  const sure = () =>
    confirmDialog({
      title: "Switch object lock on?",
      confirm: "Switch it on for good",
      text: [
        `Object lock of ${bucket} cannot be switched off again, by nobody. Versioning stays on with it.`,
        mode.input.value === "COMPLIANCE" && count.input.value !== ""
          ? "In compliance mode nobody can delete a version before its time: its space is taken until then."
          : "In governance mode, keys with the right to bypass it can delete a version before its time.",
      ],
    });
  const work = async () => {
    const length = wholeNumber(count.input, "Retention", { min: 1, max: unit.input.value === "Days" ? 36_500 : 100 });
    const retention =
      length === null
        ? null
        : element(
            "Rule",
            element("DefaultRetention", element("Mode", mode.input.value), element(unit.input.value, length)),
          );
    if (!root && !(await sure())) return;
    await s3Document(
      "PUT",
      url,
      documentOf("ObjectLockConfiguration", element("ObjectLockEnabled", "Enabled"), retention),
    );
    toast("Object lock saved.");
    await reload();
  };
  if (!root && info.versioning !== "Enabled") {
    return [
      panel(
        "Object lock",
        h("p", {}, badge("Off"), " Versions can be deleted by whoever may delete."),
        note("info", h("p", {}, "Object lock needs versioning. Switch it on under General first.")),
      ),
    ];
  }
  return [
    panel(
      "Object lock",
      h(
        "p",
        {},
        root ? badge("On", "good") : badge("Off"),
        root
          ? " Locked versions cannot be deleted before their time."
          : " Once it is on it cannot be switched off again.",
      ),
      form(
        { submit: root ? "Save object lock" : "Switch object lock on…", danger: !root, work },
        h("div", { class: "columns" }, count, unit, mode),
      ),
    ),
  ];
}

function windowPanel({ bucket, info, reload }) {
  const days = field({
    label: "Days",
    type: "number",
    min: "0",
    max: "3650",
    value: info.undelete_days,
    required: true,
    hint: "0 switches it off. What is older than a shorter window is gone at once.",
  });
  const shorter = (wanted) =>
    confirmDialog({
      title: wanted === 0 ? "Switch the undelete window off?" : "Shorten the undelete window?",
      confirm: wanted === 0 ? "Switch it off" : "Shorten it",
      text:
        wanted === 0
          ? "Everything that can be restored today is gone for good."
          : `What was deleted more than ${plural(wanted, "day")} ago is gone for good.`,
    });
  const work = async () => {
    const wanted = wholeNumber(days.input, "Days", { max: 3650 }) ?? 0;
    if (wanted < info.undelete_days && !(await shorter(wanted))) return;
    await api("PUT", `/v1/buckets/${segment(bucket)}/undelete`, { days: wanted });
    toast("Undelete window saved.");
    await reload();
  };
  return panel(
    "Undelete window",
    h(
      "p",
      {},
      "Objects that are deleted or overwritten stay restorable for so long, also without versioning. ",
      "They count against quotas.",
    ),
    form({ submit: "Save window", work }, days),
  );
}

function restorePanel({ bucket, signal }) {
  const columns = [
    { label: "Object" },
    { label: "Size", class: "number" },
    { label: "Deleted" },
    { label: "Restorable" },
    { label: "", class: "end" },
  ];
  const data = table({ caption: "Deleted objects", columns, rows: [], empty: "Nothing to restore." });
  const told = h("p", { class: "hint", role: "status" });
  const path = `/v1/buckets/${segment(bucket)}/undelete`;
  const prefix = field({ label: "Keys that begin with", type: "search" });
  const restore = async (what) => {
    const outcome = await post(`${path}/restore`, what);
    toast(`${plural(outcome.restored, "object")} restored.`);
    await look();
    // Where the pressed button was, there may be none now.
    if (!node.contains(document.activeElement)) prefix.input.focus();
  };
  const look = async () => {
    const found = await get(`${path}${query({ prefix: prefix.input.value })}`, { signal });
    const rows = found.versions ?? [];
    data.fillRows(
      rows.map(({ key, id, size, deleted, until }) => [
        h("span", { class: "key" }, visible(key)),
        bytes(size),
        when(deleted, ago(deleted)),
        when(until, ago(until)),
        button("Restore", () => restore({ key, id }), { "aria-label": `Restore ${visible(key)}` }),
      ]),
    );
    told.textContent = found.is_truncated ? "More than are listed here: write a longer beginning of the key." : "";
    all.disabled = rows.length === 0;
  };
  const all = button("Restore all of these", () => restore({ prefix: prefix.input.value }), { disabled: true });
  const node = panel(
    "Deleted objects",
    form({ submit: "Find", work: look }, prefix),
    told,
    data,
    h("p", { class: "hint" }, "“Restore all” brings back every key that has no object now."),
    h("div", { class: "actions" }, all),
  );
  return { node, look };
}

/** The tab of the undelete window. */
export async function renderUndelete(context) {
  const restore = restorePanel(context);
  await restore.look();
  return [windowPanel(context), restore.node];
}
