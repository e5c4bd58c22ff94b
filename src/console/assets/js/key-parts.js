// What the pages of keys share: the dialog that shows a secret once, fields of limits and expiry, policies.

import { copyable, h, note, put, uniqueId } from "./dom.js";
import { field, openDialog } from "./forms.js";
import { parseBytes, writeBytes } from "./format.js";
import { KEY_POLICIES, snippets } from "./presets.js";

/** A choice of texts, one of which is shown. */
function tabbed(label, texts) {
  const stem = uniqueId("tab");
  const panels = texts.map(([name, text], at) =>
    h(
      "div",
      {
        role: "tabpanel",
        id: `${stem}-panel-${at}`,
        "aria-labelledby": `${stem}-${at}`,
        hidden: at !== 0,
      },
      copyable(name, text, { area: true }),
    ),
  );
  const tabs = texts.map(([name], at) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${stem}-${at}`,
        "aria-controls": `${stem}-panel-${at}`,
        "aria-selected": String(at === 0),
        tabindex: at === 0 ? "0" : "-1",
      },
      name,
    ),
  );
  const choose = (at) =>
    tabs.forEach((tab, other) => {
      tab.setAttribute("aria-selected", String(other === at));
      tab.tabIndex = other === at ? 0 : -1;
      panels[other].hidden = other !== at;
    });
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => choose(at));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = (at + step + tabs.length) % tabs.length;
      choose(next);
      tabs[next].focus();
    });
  });
  return h("div", {}, h("div", { role: "tablist", "aria-label": label, class: "segments" }, ...tabs), ...panels);
}

/**
 * The commands of clients for a key. `buckets` are those that it may be meant for: of several, one is chosen. Where the
 * secret is not known, a word stands for it.
 */
export function clientCommands({ id, secret = "THE-SECRET", url, region, buckets = [], policy = null }) {
  const shown = h("div", {});
  const show = (bucket) =>
    put(shown, tabbed("Client", snippets({ id, secret, url, region, bucket: bucket ?? null, policy })));
  show(buckets[0]);
  if (buckets.length < 2) return shown;
  const choice = field({
    label: "Bucket in the commands",
    value: buckets[0],
    options: buckets.map((name) => [name, name]),
  });
  choice.input.addEventListener("change", () => show(choice.input.value));
  return h("div", { class: "commands" }, choice, shown);
}

/** Shows a new secret, which nobody can ask for again, and how clients use it. */
export function showSecret(title, key, client) {
  const { access_key_id: id, secret_access_key: secret } = key;
  return openDialog(
    title,
    (close) =>
      h(
        "div",
        {},
        note("warning", h("p", {}, "Copy the secret now: it is shown this once and cannot be asked for again.")),
        copyable("Access key ID", id),
        copyable("Secret access key", secret),
        h("h3", {}, "Set up a client: paste these lines into its shell"),
        clientCommands({ id, secret, ...client }),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", class: "primary", onclick: () => close(true) }, "I have copied it"),
        ),
      ),
    { wide: true, sticky: true },
  );
}

/** Ready-made policies as choices: `[name, label, hint]`. */
export function policyChoices(names) {
  return names.map((name) => [name, name, KEY_POLICIES[name] ?? ""]);
}

/** A rate as people write it: `50`, or `50:200` with what may come at once. */
export function writeRate(rate, isBytes) {
  if (!rate) return "";
  const show = isBytes ? writeBytes : String;
  return rate.burst && rate.burst !== rate.per_second
    ? `${show(rate.per_second)}:${show(rate.burst)}`
    : show(rate.per_second);
}

/** Reads what `writeRate` writes; `null` for an empty text. */
export function readRate(text, isBytes, what) {
  if (text.trim() === "") return null;
  const parts = text
    .split(":")
    .map((part) => (isBytes ? parseBytes(part) : /^\s*\d+\s*$/.test(part) ? Number(part) : null));
  if (parts.length > 2 || parts.some((part) => part === null || part <= 0)) {
    throw new Error(`${what}: write a rate as ${isBytes ? "10MiB or 10MiB:100MiB" : "50 or 50:200"}.`);
  }
  const [perSecond, burst] = parts;
  return burst === undefined ? { per_second: perSecond, burst: perSecond } : { per_second: perSecond, burst };
}

/** Fields of limits, with `.read()`. */
export function limitFields(key = {}) {
  const requests = field({
    label: "Requests per second",
    value: writeRate(key.requests, false),
    placeholder: "that of all keys",
    hint: "As 50, or 50:200 to let 200 come at once.",
  });
  const bandwidth = field({
    label: "Bytes per second",
    value: writeRate(key.bandwidth, true),
    placeholder: "that of all keys",
    hint: "As 10MiB, or 10MiB:100MiB.",
  });
  const node = h("div", { class: "columns" }, requests, bandwidth);
  node.read = () => ({
    requests: readRate(requests.input.value, false, "Requests"),
    bandwidth: readRate(bandwidth.input.value, true, "Bytes"),
  });
  return node;
}

/** A time as `datetime-local` wants it. */
function local(text) {
  const moment = new Date(text);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The field of an expiry, with `.read()`. */
export function expiryField(expires = null) {
  const node = field({
    label: "Expires",
    type: "datetime-local",
    value: expires ? local(expires) : "",
    hint: "Empty: never.",
  });
  node.read = () => {
    const { value } = node.input;
    if (value === "") return null;
    const moment = new Date(value);
    if (moment.getTime() <= Date.now()) throw new Error("Expires: choose a time that is still to come.");
    return moment.toISOString();
  };
  return node;
}
