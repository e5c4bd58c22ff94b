// The settings of a bucket: the frame with its tabs, and the general ones: versioning, quota, encryption, its end.
// Each other tab is a file of its own.

import { api, findBucket, segment } from "../api.js";
import { badge, button, facts, h, linkButton, meter, panel, put, toast } from "../dom.js";
import { confirmDialog, field, form, wholeNumber } from "../forms.js";
import { bytes, date, number, parseBytes, percent, plural, writeBytes } from "../format.js";
import { optionalXml, s3, s3Document, s3Url } from "../s3.js";
import { documentOf, element, text } from "../xml.js";
import { renderLifecycle } from "./settings-lifecycle.js";
import { renderCors, renderPolicy } from "./settings-access.js";
import { renderLock, renderUndelete } from "./settings-protection.js";
import { emptyDialog } from "./bulk.js";

const TABS = [
  ["general", "General", renderGeneral],
  ["lock", "Object lock", renderLock],
  ["lifecycle", "Lifecycle", renderLifecycle],
  ["policy", "Policy", renderPolicy],
  ["cors", "CORS", renderCors],
  ["undelete", "Undelete", renderUndelete],
];

async function renderGeneral(context) {
  const { signal, bucket, info } = context;
  const encryption = await optionalXml(
    s3Url(bucket, null, { encryption: null }),
    ["ServerSideEncryptionConfigurationNotFoundError"],
    { signal },
  );
  return [
    panel(
      "Summary",
      facts([
        ["Created", date(info.created)],
        ["Owner", info.owner_name ?? info.owner],
        ["Versions", number(info.objects)],
        ["Size of all versions", bytes(info.bytes)],
      ]),
    ),
    versioningPanel(context),
    quotaPanel(context),
    encryptionPanel(context, encryption),
    deletePanel(context),
  ];
}

function versioningPanel({ bucket, info, reload }) {
  const set = (status) => async () => {
    await s3Document(
      "PUT",
      s3Url(bucket, null, { versioning: null }),
      documentOf("VersioningConfiguration", element("Status", status)),
    );
    toast(status === "Enabled" ? "Versioning is on." : "Versioning is suspended.");
    await reload();
  };
  const suspend = async () => {
    const done = await confirmDialog({
      title: "Suspend versioning?",
      confirm: "Suspend versioning",
      text: "From now on, what is overwritten or deleted leaves no version behind. The versions that are there stay.",
    });
    if (done) await set("Suspended")();
  };
  const isOn = info.versioning === "Enabled";
  const word = isOn
    ? badge("On", "good")
    : info.versioning === "Suspended"
      ? badge("Suspended", "warning")
      : badge("Off");
  const switcher = isOn
    ? button("Suspend versioning…", suspend, { disabled: info.object_lock })
    : button("Switch versioning on", set("Enabled"), { class: "primary" });
  return panel(
    "Versioning",
    h(
      "p",
      {},
      word,
      " ",
      isOn
        ? "Overwritten and deleted objects stay as older versions."
        : "Overwritten and deleted objects are gone, unless an undelete window keeps them.",
    ),
    info.object_lock ? h("p", { class: "hint" }, "Object lock needs versioning, so it stays on.") : null,
    h("div", { class: "actions" }, switcher),
  );
}

function quotaPanel({ bucket, info, reload }) {
  const { quota } = info;
  const size = field({
    label: "Bytes at most",
    value: writeBytes(quota?.bytes),
    placeholder: "no limit",
    hint: "As 500 GiB or 2TiB. Empty for no limit.",
  });
  const objects = field({
    label: "Objects at most",
    type: "number",
    min: "0",
    value: quota?.objects ?? "",
    placeholder: "no limit",
    hint: "Counted with all versions.",
  });
  const used = quota?.bytes
    ? h(
        "p",
        { class: "progress" },
        meter(info.bytes / quota.bytes, `${percent(info.bytes, quota.bytes)} used`),
        `${bytes(info.bytes)} of ${bytes(quota.bytes)}`,
      )
    : null;
  const work = async () => {
    const text_ = size.input.value.trim();
    const limit = text_ === "" ? null : parseBytes(text_);
    if (text_ !== "" && limit === null) throw new Error("Write the bytes as 500 GiB, 2TiB or a plain number.");
    await api("PUT", `/v1/buckets/${segment(bucket)}/quota`, {
      bytes: limit,
      objects: wholeNumber(objects.input, "Objects"),
    });
    toast("Quota saved.");
    await reload();
  };
  return panel("Quota", used, form({ submit: "Save quota", work }, h("div", { class: "columns" }, size, objects)));
}

function encryptionPanel({ bucket, reload }, root) {
  const rule = "Rule/ApplyServerSideEncryptionByDefault";
  const algorithm = text(root, `${rule}/SSEAlgorithm`) ?? "none";
  const kind = field({
    label: "New objects are encrypted",
    value: algorithm,
    options: [
      ["none", "Only if the request asks for it"],
      ["AES256", "With the server's key (SSE-S3)"],
      ["aws:kms", "With a key of the key ring (SSE-KMS)"],
    ],
  });
  const key = field({
    label: "Key of the key ring",
    value: text(root, `${rule}/KMSMasterKeyID`) ?? "",
    hint: "Empty for the default key.",
  });
  const settle = () => {
    key.hidden = kind.input.value !== "aws:kms";
  };
  kind.input.addEventListener("change", settle);
  settle();
  const work = async () => {
    const url = s3Url(bucket, null, { encryption: null });
    if (kind.input.value === "none") {
      await s3("DELETE", url);
    } else {
      const id =
        kind.input.value === "aws:kms" && key.input.value.trim() !== ""
          ? element("KMSMasterKeyID", key.input.value.trim())
          : null;
      await s3Document(
        "PUT",
        url,
        documentOf(
          "ServerSideEncryptionConfiguration",
          element(
            "Rule",
            element("ApplyServerSideEncryptionByDefault", element("SSEAlgorithm", kind.input.value), id),
          ),
        ),
      );
    }
    toast("Encryption saved.");
    await reload();
  };
  return panel(
    "Encryption",
    form({ submit: "Save encryption", work }, kind, key),
    h("p", { class: "hint" }, "Objects that are there already stay as they are."),
  );
}

function deletePanel({ bucket, info, reload }) {
  const empty = button(
    "Empty bucket…",
    async () => {
      if (await emptyDialog(bucket)) await reload();
    },
    { class: "danger" },
  );
  const gone = button(
    "Delete bucket…",
    async () => {
      const done = await confirmDialog({
        title: `Delete ${bucket}?`,
        confirm: "Delete bucket",
        typed: bucket,
        text: "Only an empty bucket can be deleted: no object, no older version, no unfinished upload.",
        work: () => s3("DELETE", s3Url(bucket)),
      });
      if (done) {
        toast(`Bucket ${bucket} is deleted.`);
        location.hash = "#/buckets";
      }
    },
    { class: "danger" },
  );
  const left =
    info.objects > 0
      ? `It still holds ${plural(info.objects, "version")} of objects. Only an empty bucket can be deleted.`
      : "It holds no objects.";
  return panel("Delete this bucket", h("p", {}, left), h("div", { class: "actions" }, empty, gone));
}

/** Shows the page. */
export async function render({ main, bucket, tab = "general", signal, reload }) {
  const info = await findBucket(bucket, { signal });
  if (!info) throw new Error(`There is no bucket ${bucket}.`);
  const [, , build] = TABS.find(([name]) => name === tab) ?? TABS[0];
  const here = `#/buckets/${segment(bucket)}`;
  const links = TABS.map(([name, label]) =>
    h("li", {}, h("a", { href: `${here}/settings/${name}`, "aria-current": name === tab ? "page" : null }, label)),
  );
  put(
    main,
    h(
      "div",
      { class: "title" },
      h("h1", {}, `Settings of ${bucket}`),
      h("div", { class: "actions" }, linkButton("Files", here)),
    ),
    h("nav", { class: "tabs", "aria-label": "Settings" }, h("ul", {}, ...links)),
    ...(await build({ bucket, info, signal, reload })),
  );
}
