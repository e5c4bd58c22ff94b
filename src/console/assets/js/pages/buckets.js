// The buckets: what they hold, and new ones made in one go with what their purpose needs.

import { allBuckets } from "../api.js";
import { badge, button, explain, h, linkButton, meter, note, put, table, toast, when } from "../dom.js";
import { choices, field, form, openDialog, wholeNumber } from "../forms.js";
import { ago, bytes, number, percent, plural } from "../format.js";
import { BUCKETS, bucketPolicies } from "../presets.js";
import { listBuckets, s3, s3Document, s3Url } from "../s3.js";
import { documentOf, element } from "../xml.js";

const files = (name) => `#/buckets/${encodeURIComponent(name)}`;

/** What follows the creation of a bucket of each kind: `[what, work]`. */
function steps(kind, name, lock) {
  const document = (subresource, xml) => s3Document("PUT", s3Url(name, null, { [subresource]: null }), xml);
  if (kind === "versioned") {
    return [
      [
        "versioning",
        () => document("versioning", documentOf("VersioningConfiguration", element("Status", "Enabled"))),
      ],
    ];
  }
  if (kind === "backup" && lock.days !== null) {
    const rule = element("Rule", element("DefaultRetention", element("Mode", lock.mode), element("Days", lock.days)));
    return [
      [
        "the default retention",
        () =>
          document(
            "object-lock",
            documentOf("ObjectLockConfiguration", element("ObjectLockEnabled", "Enabled"), rule),
          ),
      ],
    ];
  }
  if (kind === "website") {
    const [, policy] = bucketPolicies(name)[0];
    return [
      ["the public policy", () => s3("PUT", s3Url(name, null, { policy: null }), { body: JSON.stringify(policy) })],
      [
        "the website",
        () =>
          document(
            "website",
            documentOf("WebsiteConfiguration", element("IndexDocument", element("Suffix", "index.html"))),
          ),
      ],
    ];
  }
  return [];
}

async function create(kind, name, lock) {
  await s3("PUT", s3Url(name), { headers: kind === "backup" ? { "x-amz-bucket-object-lock-enabled": "true" } : {} });
  for (const [what, work] of steps(kind, name, lock)) {
    try {
      await work();
    } catch (error) {
      // The bucket is there: saying that it is not would be wrong, and making it again would fail.
      toast(`Bucket ${name} was created, but ${what} could not be set: ${explain(error)}`, "error");
      return;
    }
  }
  toast(`Bucket ${name} was created.`);
}

/** Asks what bucket to create, and creates it; ends with its name. `purpose` is chosen at first. */
function createDialog(purpose) {
  return openDialog("Create a bucket", (close) => {
    const name = field({
      label: "Name",
      required: true,
      minlength: "3",
      maxlength: "63",
      pattern: "[a-z0-9][a-z0-9.\\-]*[a-z0-9]",
      autocapitalize: "off",
      hint: "3 to 63 lower-case letters, digits, dots and hyphens.",
      title: "Lower-case letters, digits, dots and hyphens",
    });
    const kind = choices("Purpose", "purpose", BUCKETS, purpose);
    const days = field({ label: "Retention in days", type: "number", min: "1", max: "36500", value: "30" });
    const mode = field({
      label: "Mode",
      value: "GOVERNANCE",
      options: [
        ["GOVERNANCE", "Governance: keys with a special right may lift it"],
        ["COMPLIANCE", "Compliance: nobody may lift it"],
      ],
    });
    const more = h("div", { class: "columns" }, days, mode);
    const settle = () => {
      more.hidden = kind.value !== "backup";
    };
    kind.addEventListener("change", settle);
    settle();
    return form(
      {
        submit: "Create bucket",
        cancel: () => close(),
        work: async () => {
          const lock = {
            days: kind.value === "backup" ? wholeNumber(days.input, "Retention", { min: 1, max: 36_500 }) : null,
            mode: mode.input.value,
          };
          await create(kind.value, name.input.value.trim(), lock);
          close(name.input.value.trim());
        },
      },
      name,
      kind,
      more,
    );
  });
}

function quotaCell({ quota, bytes: size, objects }) {
  const cells = [];
  if (quota?.bytes) {
    cells.push(
      meter(
        size / quota.bytes,
        `${percent(size, quota.bytes)} of the quota`,
        size / quota.bytes > 0.9 ? "warning" : "",
      ),
      h("span", {}, `${percent(size, quota.bytes)} of ${bytes(quota.bytes)}`),
    );
  }
  if (quota?.objects)
    cells.push(h("span", {}, `${percent(objects, quota.objects)} of ${number(quota.objects)} objects`));
  return cells.length === 0 ? "–" : h("div", { class: "progress" }, ...cells);
}

function features(bucket) {
  return h(
    "div",
    { class: "badges" },
    bucket.object_lock ? badge("object lock", "good") : null,
    bucket.versioning === "Enabled" ? badge("versioned", "good") : null,
    bucket.versioning === "Suspended" ? badge("versioning suspended", "warning") : null,
    bucket.undelete_days > 0 ? badge(`undelete ${bucket.undelete_days} d`) : null,
  );
}

const full = {
  columns: [
    { label: "Name" },
    { label: "Objects", class: "number" },
    { label: "Size", class: "number" },
    { label: "Quota" },
    { label: "Protection" },
    { label: "Owner" },
    { label: "", class: "end" },
  ],
  row: (bucket) => [
    h("a", { class: "key", href: files(bucket.name) }, bucket.name),
    number(bucket.objects),
    bytes(bucket.bytes),
    quotaCell(bucket),
    features(bucket),
    bucket.owner_name ?? bucket.owner,
    linkButton("Settings", `${files(bucket.name)}/settings`, { "aria-label": `Settings of ${bucket.name}` }),
  ],
};
const plain = {
  columns: [{ label: "Name" }, { label: "Created" }],
  row: (bucket) => [
    h("a", { class: "key", href: files(bucket.name) }, bucket.name),
    when(bucket.created, ago(bucket.created)),
  ],
};

/** The bucket that was just created here: what comes next for it is offered once. */
let fresh = null;

function whatNext(name) {
  const encoded = encodeURIComponent(name);
  return note(
    "info",
    h("p", {}, "Next: a key for the program that will fill ", h("strong", {}, name), ", or the files themselves."),
    h(
      "div",
      { class: "actions" },
      linkButton(`Add a key for ${name}`, `#/keys?add=restic-append-only&bucket=${encoded}`, { class: "primary" }),
      linkButton(`Open ${name}`, files(name)),
    ),
  );
}

/** Shows the page. With `create` in the address, the question for a new bucket of that purpose is open. */
export async function render({ main, session, signal, search, reload }) {
  const buckets = session.is_admin ? await allBuckets({ signal }) : await listBuckets({ signal });
  const { columns, row } = session.is_admin ? full : plain;
  const data = table({ caption: "Buckets", columns, rows: [], empty: "No buckets yet. Create the first one." });
  const filter = field({ label: "Find a bucket", type: "search" });
  const show = () => {
    const wanted = filter.input.value.trim().toLowerCase();
    const found = buckets.filter(({ name }) => name.includes(wanted));
    data.fillRows(found.map(row));
    told.textContent =
      wanted === "" ? "" : found.length === 0 ? "No bucket is named like that." : plural(found.length, "bucket");
    data.hidden = wanted !== "" && found.length === 0;
  };
  const told = h("p", { class: "hint", role: "status" });
  const create = async (purpose) => {
    const name = await createDialog(purpose);
    if (!name) return;
    fresh = session.is_admin ? name : null;
    await reload();
  };
  filter.input.addEventListener("input", show);
  show();
  const total = session.is_admin ? `, ${bytes(buckets.reduce((sum, one) => sum + one.bytes, 0))} in all` : "";
  put(
    main,
    h(
      "div",
      { class: "title" },
      h(
        "div",
        {},
        h("h1", {}, "Buckets"),
        h("p", { class: "status" }, `${plural(buckets.length, "bucket")}${total}`),
      ),
      h(
        "div",
        { class: "actions" },
        button("Create bucket…", () => create("plain"), { class: "primary" }),
      ),
    ),
    fresh !== null && buckets.some(({ name }) => name === fresh) ? whatNext(fresh) : null,
    buckets.length > 8 ? [h("div", { class: "toolbar" }, filter), told] : null,
    h("div", { class: "panel flush" }, data),
  );
  fresh = null;
  const purpose = search.get("create");
  if (purpose === null) return;
  // Once: a reload, or coming back, does not ask again.
  history.replaceState(null, "", "#/buckets");
  setTimeout(() => create(BUCKETS.some(([kind]) => kind === purpose) ? purpose : "plain"));
}
