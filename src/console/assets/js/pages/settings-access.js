// Who else may use a bucket: its policy, and which web pages of other origins may (CORS). Both are edited as JSON;
// what the server says of them is shown as it says it.

import { button, h, note, panel, toast } from "../dom.js";
import { confirmDialog, form, jsonEditor } from "../forms.js";
import { bucketPolicies, CORS } from "../presets.js";
import { optionalXml, s3, s3Document, s3Url } from "../s3.js";
import { all, documentOf, element, integer, text } from "../xml.js";

const pretty = (value) => JSON.stringify(value, null, 2);

async function readPolicy(bucket, signal) {
  try {
    const response = await s3("GET", s3Url(bucket, null, { policy: null }), { signal });
    return pretty(JSON.parse(await response.text()));
  } catch (error) {
    if (error.code === "NoSuchBucketPolicy") return "";
    throw error;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const statementsOf = (policy) => [policy.Statement].flat();

/** What is plainly no policy of a key; the server judges the rest. */
export function policyFault(value) {
  if (!isObject(value)) return "a policy is an object";
  if (!("Statement" in value)) return "it has no Statement";
  for (const [at, statement] of statementsOf(value).entries()) {
    const name = `statement ${statement?.Sid ?? at + 1}`;
    if (!isObject(statement)) return `${name} is no object`;
    if (!["Allow", "Deny"].includes(statement.Effect)) return `${name} needs an Effect: Allow or Deny`;
    for (const part of ["Action", "Resource"]) {
      if (!(part in statement) && !(`Not${part}` in statement)) return `${name} names no ${part}`;
    }
  }
  return null;
}

/** What is plainly no policy of a bucket: it also says whom it is about. */
function bucketPolicyFault(value) {
  const fault = policyFault(value);
  if (fault) return fault;
  const at = statementsOf(value).findIndex((one) => !("Principal" in one) && !("NotPrincipal" in one));
  return at < 0 ? null : `statement ${statementsOf(value)[at].Sid ?? at + 1} names no Principal`;
}

/** That a policy lets everybody in, if it does so without a condition. */
function publicRemark(policy) {
  const isAll = (principal) => principal === "*" || [principal?.AWS].flat().includes("*");
  const open = statementsOf(policy).some(
    (one) => one.Effect === "Allow" && isAll(one.Principal) && one.Condition === undefined,
  );
  return open ? "Reads as JSON. It lets everybody in who reaches the server, without a key." : null;
}

/** The tab of the policy. */
export async function renderPolicy({ bucket, signal, reload }) {
  const stored = await readPolicy(bucket, signal);
  const editor = jsonEditor({
    label: "Policy",
    value: stored,
    rows: 18,
    check: bucketPolicyFault,
    remark: publicRemark,
    hint: "Without a policy, the bucket is its owner's alone. Names of keys are arn:aws:iam::ACCOUNT:user/NAME.",
  });
  const url = s3Url(bucket, null, { policy: null });
  const remove = async () => {
    const done = await confirmDialog({
      title: "Remove the policy?",
      confirm: "Remove policy",
      text: "Only the owner gets in after that.",
      work: () => s3("DELETE", url),
    });
    if (done) {
      toast("The policy is removed.");
      await reload();
    }
  };
  const work = async () => {
    const policy = editor.read();
    if (policy === null) throw new Error("Write a policy, or remove the one that is there.");
    await s3("PUT", url, { body: JSON.stringify(policy) });
    toast("Policy saved.");
    await reload();
  };
  return [
    panel(
      "Bucket policy",
      h("p", { class: "hint" }, "Begin with:"),
      h(
        "div",
        { class: "presets", role: "group", "aria-label": "Begin with" },
        ...bucketPolicies(bucket).map(([label, policy]) =>
          button(label, () => {
            editor.show(pretty(policy));
            editor.input.focus();
          }),
        ),
      ),
      form({ submit: "Save policy", work }, editor),
      stored === "" ? null : h("div", { class: "actions" }, button("Remove policy…", remove, { class: "danger" })),
    ),
  ];
}

const LISTS = {
  AllowedOrigins: "AllowedOrigin",
  AllowedMethods: "AllowedMethod",
  AllowedHeaders: "AllowedHeader",
  ExposeHeaders: "ExposeHeader",
};

/** A CORS configuration as JSON, in the words that AWS's own console uses. */
export function readCors(root) {
  return all(root, "CORSRule").map((rule) => {
    const read = {};
    if (text(rule, "ID") !== null) read.ID = text(rule, "ID");
    for (const [many, one] of Object.entries(LISTS)) {
      const values = all(rule, one).map((node) => node.textContent);
      if (values.length > 0) read[many] = values;
    }
    if (integer(rule, "MaxAgeSeconds") !== null) read.MaxAgeSeconds = integer(rule, "MaxAgeSeconds");
    return read;
  });
}

/** What is plainly no CORS configuration. */
export function corsFault(value) {
  if (!Array.isArray(value)) return "write a list of rules: [ … ]";
  for (const rule of value) {
    if (typeof rule !== "object" || rule === null) return "a rule is an object";
    const unknown = Object.keys(rule).find((name) => !(name in LISTS) && !["ID", "MaxAgeSeconds"].includes(name));
    if (unknown) return `a rule has no ${unknown}`;
    const wrong = Object.keys(LISTS).find(
      (name) => name in rule && !(Array.isArray(rule[name]) && rule[name].every((one) => typeof one === "string")),
    );
    if (wrong) return `${wrong} is a list of texts`;
    if (!rule.AllowedOrigins?.length || !rule.AllowedMethods?.length)
      return "a rule needs AllowedOrigins and AllowedMethods";
  }
  return null;
}

/** CORS rules as XML. */
export function writeCors(rules) {
  return documentOf(
    "CORSConfiguration",
    ...rules.map((rule) =>
      element(
        "CORSRule",
        rule.ID === undefined ? null : element("ID", rule.ID),
        ...Object.entries(LISTS).flatMap(([many, one]) => (rule[many] ?? []).map((value) => element(one, value))),
        rule.MaxAgeSeconds === undefined ? null : element("MaxAgeSeconds", rule.MaxAgeSeconds),
      ),
    ),
  );
}

/** The tab of CORS. */
export async function renderCors({ bucket, signal, reload }) {
  const url = s3Url(bucket, null, { cors: null });
  const root = await optionalXml(url, ["NoSuchCORSConfiguration"], { signal });
  const editor = jsonEditor({
    label: "Rules",
    value: root ? pretty(readCors(root)) : "",
    rows: 14,
    check: corsFault,
    hint: "Which web pages of other origins may send requests from a visitor's browser.",
  });
  const work = async () => {
    const rules = editor.read();
    const isEmpty = rules === null || rules.length === 0;
    if (isEmpty) await s3("DELETE", url);
    else await s3Document("PUT", url, writeCors(rules));
    toast(isEmpty ? "The bucket has no CORS rules." : "CORS rules saved.");
    await reload();
  };
  return [
    note("info", h("p", {}, "CORS gives no right by itself: requests still need a key or a public policy.")),
    panel(
      "CORS",
      h(
        "div",
        { class: "presets" },
        button("Begin with an example", () => {
          editor.show(pretty(CORS));
          editor.input.focus();
        }),
      ),
      form({ submit: "Save rules", work }, editor),
      h("p", { class: "hint" }, "Save an empty text to remove all rules."),
    ),
  ];
}
