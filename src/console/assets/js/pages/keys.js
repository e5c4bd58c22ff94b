// The access keys: who may do what, and new ones made for their purpose.

import { allBuckets, api, get, post, segment } from "../api.js";
import { badge, button, explain, h, put, table, toast, when } from "../dom.js";
import { choices, field, form, jsonEditor, openDialog, ticks } from "../forms.js";
import { ago, plural } from "../format.js";
import { expiryField, limitFields, policyChoices, showSecret } from "../key-parts.js";
import { KEY_DOCUMENT } from "../presets.js";
import { policyFault } from "./settings-access.js";

/** Choices beside the ready-made policies. */
const [UNLIMITED, OWN] = ["(unlimited)", "(own)"];
/** Boxes at most; with more buckets the names are typed. */
const BUCKET_BOXES_MAX = 40;
/** With more keys than these, one can search in them. */
const FILTER_FROM = 8;
const COLUMNS = ["Name", "Access key ID", "May do", "Buckets of", "Last used", "Expires"].map((label) => ({ label }));

function bucketField(names, chosen) {
  const hint = "Pick none for every bucket that the policy and the owner allow.";
  if (names.length > 0 && names.length <= BUCKET_BOXES_MAX) {
    const node = ticks(
      "Confined to buckets",
      names.map((name) => [name, name]),
      [chosen],
      hint,
    );
    node.read = () => node.values;
    return node;
  }
  const node = field({
    label: "Confined to buckets",
    value: chosen ?? "",
    hint: "Names with commas between. Empty for every bucket that the policy and the owner allow.",
  });
  node.read = () =>
    node.input.value
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
  return node;
}

async function create(fields) {
  const body = { name: fields.name.input.value.trim() };
  if (fields.owner.input.value !== "") body.for = fields.owner.input.value;
  const policy = fields.policy.value;
  if (policy === OWN) body.documents = { "own-policy": fields.document.read() };
  else if (policy !== UNLIMITED) body.policies = [policy];
  const buckets = fields.buckets.read();
  if (buckets.length > 0) body.buckets = buckets;
  const expires = fields.expiry.read();
  if (expires) body.expires = expires;
  const { requests, bandwidth } = fields.limits.read();
  if (policy === OWN && body.documents["own-policy"] === null) throw new Error("Write the policy first.");
  const key = await post("/v1/keys", body);
  if (requests || bandwidth) {
    // The key is there by now, and its secret is shown only here: what fails from here on must not hide it.
    const change = { ...(requests ? { requests } : {}), ...(bandwidth ? { bandwidth } : {}) };
    await api("PATCH", `/v1/keys/${segment(key.access_key_id)}`, change).catch((error) =>
      toast(`The key was made, but its limits were not set: ${explain(error)}`, "error"),
    );
  }
  return { key, buckets, policy };
}

/** Asks what key to add, and adds it. `wanted` is the policy, and the bucket, that are chosen at first. */
function addDialog({ keys, names, buckets, session, wanted }) {
  const isRoot = keys.some((key) => key.is_root && key.access_key_id === session.access_key_id);
  const owners = keys.map(({ name }) => [name, name]);
  return openDialog(
    "Add a key",
    (close) => {
      const fields = {
        name: field({
          label: "Name",
          required: true,
          maxlength: "64",
          autocapitalize: "off",
          hint: "Whose or what it is for, as laptop-restic.",
        }),
        owner: field({
          label: "Works on the buckets of",
          value: isRoot || owners.some(([name]) => name === session.name) ? session.name : "",
          options: [["", "itself: owns what it creates"], ...owners],
        }),
        policy: choices(
          "May do",
          "policy",
          [
            ...policyChoices(names.filter((name) => name !== "full")),
            [UNLIMITED, "unlimited", "All that its owner may."],
            [OWN, "own policy", "A policy that you write."],
          ],
          names.includes(wanted.policy) ? wanted.policy : "read-only",
        ),
        document: jsonEditor({
          label: "Policy",
          value: JSON.stringify(KEY_DOCUMENT, null, 2),
          rows: 10,
          check: policyFault,
        }),
        buckets: bucketField(buckets, wanted.bucket),
        expiry: expiryField(),
        limits: limitFields(),
      };
      fields.document.hidden = true;
      fields.policy.addEventListener("change", () => {
        fields.document.hidden = fields.policy.value !== OWN;
      });
      return form(
        { submit: "Add key", cancel: () => close(), work: async () => close(await create(fields)) },
        fields.name,
        fields.policy,
        fields.document,
        fields.buckets,
        fields.owner,
        h("details", {}, h("summary", {}, "Expiry and limits"), fields.expiry, fields.limits),
      );
    },
    { wide: true },
  );
}

function row(key) {
  const policies = key.is_root
    ? badge("root", "good")
    : key.policies === null
      ? "all that its owner may"
      : h(
          "div",
          { class: "badges" },
          key.policies.length === 0 ? badge("nothing", "warning") : key.policies.map((name) => badge(name)),
        );
  const isOver = key.expires && new Date(key.expires) <= new Date();
  return [
    h("a", { class: "key", href: `#/keys/${segment(key.access_key_id)}` }, key.name),
    h("code", { class: "key" }, key.access_key_id),
    policies,
    key.owner_name && key.owner_name !== key.name ? key.owner_name : "itself",
    key.last_used ? when(key.last_used, ago(key.last_used)) : "not seen",
    key.expires
      ? h("span", {}, when(key.expires, ago(key.expires)), isOver ? badge("expired", "bad") : null)
      : "never",
  ];
}

/** Shows the page. With `add` in the address, the question for a new key with that policy is open. */
export async function render({ main, session, signal, search, reload }) {
  const [{ keys, ready_made_policies: names }, found, overview] = await Promise.all([
    get("/v1/keys", { signal }),
    allBuckets({ signal }),
    get("/v1/overview", { signal }),
  ]);
  const buckets = found.map(({ name }) => name);
  const ask = async (wanted) => {
    const made = await addDialog({ keys, names, buckets, session, wanted });
    if (!made) return;
    await showSecret(`Key ${made.key.name}`, made.key, {
      url: overview.s3_url,
      region: overview.region,
      buckets: made.buckets.length > 0 ? made.buckets : buckets,
      policy: made.policy,
    });
    await reload();
  };
  const add = button("Add key…", () => ask({}), { class: "primary" });
  const data = table({ caption: "Access keys", columns: COLUMNS, rows: [], empty: "No keys." });
  const filter = field({
    label: "Find a key",
    type: "search",
    hint: "By its name, its ID or the name of its owner.",
  });
  const show = () => {
    const sought = filter.input.value.trim().toLowerCase();
    const fits = (key) =>
      [key.name, key.access_key_id, key.owner_name ?? ""].some((text) => text.toLowerCase().includes(sought));
    data.fillRows(keys.filter(fits).map(row));
  };
  filter.input.addEventListener("input", show);
  show();
  put(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, "Keys"), h("p", { class: "status" }, plural(keys.length, "key"))),
      h("div", { class: "actions" }, add),
    ),
    keys.length > FILTER_FROM ? h("div", { class: "toolbar" }, filter) : null,
    h("div", { class: "panel flush" }, data),
  );
  const policy = search.get("add");
  if (policy === null) return;
  const bucket = buckets.find((name) => name === search.get("bucket"));
  // Once: a reload, or coming back, does not ask again.
  history.replaceState(null, "", "#/keys");
  setTimeout(() => ask({ policy, bucket }));
}
