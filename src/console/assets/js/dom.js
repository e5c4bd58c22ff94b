// Builds the page. Everything goes through `h`: text becomes text nodes and attributes are set one by one, so that
// no name, key or metadata of a stored object is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";
/** Attributes that are properties: setting the attribute would only set a default. */
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "readOnly", "multiple"]);
/** Where a link may lead: never to a script. */
const LINK = /^(#|\/|blob:|https?:)/;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (PROPERTIES.has(name)) {
      node[name] = value;
    } else if ((name === "href" || name === "src") && !LINK.test(value)) {
      throw new Error(`no link may lead to ${value}`);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element of HTML with attributes, `onEVENT` listeners, and children; strings become text. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces the children of a node. */
export function put(node, ...children) {
  node.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

let serial = 0;
/** An id that no other element has. */
export function uniqueId(stem) {
  serial += 1;
  return `${stem}-${serial}`;
}

/** Says something to people who listen instead of look. */
export function announce(text, urgent = false) {
  const regions = ["polite", "assertive"].map((name) => document.getElementById(name));
  // The same text twice is told twice only if the region was empty in between, and what was said before is over.
  for (const region of regions) region.textContent = "";
  setTimeout(() => {
    regions[Number(urgent)].textContent = text;
  }, 50);
}

/** A short message at the edge of the page. Errors stay until they are closed. */
export function toast(text, kind = "done") {
  const close = h("button", { type: "button", class: "quiet icon", "aria-label": "Close this message" }, "×");
  const item = h("div", { class: `toast ${kind}` }, h("p", {}, text), close);
  close.addEventListener("click", () => item.remove());
  const shelf = document.getElementById("toasts");
  // An open dialog covers everything but itself.
  const top = [...document.querySelectorAll("dialog[open]")].pop();
  (top ?? document.body).append(shelf);
  shelf.append(item);
  while (shelf.children.length > 4) shelf.firstElementChild.remove();
  announce(text, kind === "error");
  if (kind !== "error") setTimeout(() => item.remove(), 6000);
}

/** What an error says to people. */
export function explain(error) {
  if (error?.name === "AbortError") return "Stopped.";
  return error?.message || String(error);
}

/** Runs what a button asked for: the button is busy meanwhile, and an error is shown. */
export async function act(button, work) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    if (error?.name !== "AbortError") toast(explain(error), "error");
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** A button that does something. */
export function button(label, work, attributes = {}) {
  const node = h("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", () => act(node, () => work(node)));
  return node;
}

/** A link that looks like a button. */
export function linkButton(label, href, attributes = {}) {
  return h("a", { ...attributes, class: `button ${attributes.class ?? ""}`, href }, label);
}

/** A labelled note: `kind` is info, warning or error. */
export function note(kind, ...children) {
  return h("div", { class: `note ${kind}`, role: kind === "error" ? "alert" : null }, ...children);
}

/** A coloured word. */
export function badge(text, kind = "") {
  return h("span", { class: `badge ${kind}` }, text);
}

/** A bar that shows a share; its words say the same. */
export function meter(share, label, kind = "") {
  const part = Math.max(0, Math.min(1, share || 0));
  const bar = h("span", { class: `meter ${kind}`, role: "img", "aria-label": label }, h("span", {}));
  bar.firstElementChild.style.inlineSize = `${part * 100}%`;
  return bar;
}

/** A time, absolute on demand. */
export function when(text, show) {
  return h("time", { datetime: text, title: text }, show);
}

/**
 * A table that becomes a list of cards on a phone. `columns` are `{label, class}`, `rows` are arrays of cells.
 * Roles are repeated because `display: block` would take them away.
 */
export function table({ caption, columns, rows, empty }) {
  const head = columns.map(({ label, class: kind }) =>
    h("th", { scope: "col", role: "columnheader", class: kind }, label || h("span", { class: "unseen" }, "Actions")),
  );
  const body = h("tbody", { role: "rowgroup" });
  const node = h(
    "table",
    { role: "table", class: "data" },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head)),
    body,
  );
  node.fillRows = (cells) => {
    const made = cells.map((row) =>
      h(
        "tr",
        { role: "row" },
        ...row.map((cell, at) =>
          h("td", { role: "cell", class: columns[at].class, "data-label": columns[at].label }, cell ?? ""),
        ),
      ),
    );
    if (made.length === 0) {
      made.push(
        h(
          "tr",
          { role: "row" },
          h("td", { role: "cell", class: "nothing", colspan: columns.length }, empty ?? "Nothing here."),
        ),
      );
    }
    put(body, ...made);
  };
  node.fillRows(rows);
  return node;
}

/** Names and values. Entries without a value are left out. */
export function facts(entries) {
  const list = h("dl", { class: "facts" });
  for (const [name, value] of entries) {
    if (value === null || value === undefined || value === "") continue;
    list.append(h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  }
  return list;
}

/** A panel with a heading. */
export function panel(title, ...children) {
  const id = uniqueId("panel");
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

/** Copies a text, also where the browser has no clipboard for pages without TLS. */
export async function copyText(text) {
  const isCopied = navigator.clipboard
    ? await navigator.clipboard.writeText(text).then(
        () => true,
        () => false,
      )
    : false;
  if (!isCopied) {
    const area = h("textarea", { class: "unseen", value: text, "aria-hidden": "true" });
    const home = [...document.querySelectorAll("dialog[open]")].pop() ?? document.body;
    const before = document.activeElement;
    home.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    before?.focus();
    if (!copied) throw new Error("The browser refused to copy. Select the text and copy it by hand.");
  }
  announce("Copied.");
}

/** A text that one can select, with a button that copies it. */
export function copyable(label, text, { area = false } = {}) {
  const id = uniqueId("copy");
  const show = area
    ? h("textarea", {
        id,
        readOnly: true,
        value: text,
        rows: Math.min(12, text.split("\n").length + 1),
        // A line that is copied by hand must be one line.
        wrap: "off",
        spellcheck: "false",
      })
    : h("input", { id, type: "text", readOnly: true, value: text, spellcheck: "false" });
  const copy = button(
    "Copy",
    async (self) => {
      await copyText(text);
      self.textContent = "Copied";
      setTimeout(() => {
        self.textContent = "Copy";
      }, 2000);
    },
    { "aria-label": `Copy ${label}` },
  );
  return h("div", { class: "field" }, h("label", { for: id }, label), h("div", { class: "copyable" }, show, copy));
}

/** Runs `work` now and every `seconds` until `signal` ends; rests while nobody looks. */
export function every(seconds, signal, work) {
  let timer = null;
  const run = async () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (!document.hidden) await work();
    if (!signal.aborted) timer = setTimeout(run, seconds * 1000);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  document.addEventListener(
    "visibilitychange",
    () => {
      if (!document.hidden) run();
    },
    { signal },
  );
  return run();
}
