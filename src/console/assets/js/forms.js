// Fields, forms and dialogs. Each field has a label, each error is told where it belongs, and a dialog gives the
// focus back to where it came from.

import { announce, explain, h, put, uniqueId } from "./dom.js";

/** A labelled input. `options` of a select are `[value, label]`. The element has `.input`. */
export function field({ label, type = "text", hint, options, rows, ...attributes }) {
  const id = uniqueId("field");
  const described = hint ? `${id}-hint` : null;
  const all = { id, "aria-describedby": described, ...attributes };
  let input;
  if (options) {
    const { value, ...rest } = all;
    input = h(
      "select",
      rest,
      ...options.map(([of, shown]) => h("option", { value: of, selected: of === value }, shown)),
    );
  } else if (rows) {
    input = h("textarea", { rows, spellcheck: "false", ...all });
  } else {
    input = h("input", { type, autocomplete: "off", spellcheck: "false", ...all });
  }
  const told = hint ? h("p", { class: "hint", id: described }, hint) : null;
  const isTick = type === "checkbox" || type === "radio";
  const node = isTick
    ? h("div", { class: "field tick" }, input, h("div", {}, h("label", { for: id }, label), told))
    : h("div", { class: "field" }, h("label", { for: id }, label), input, told);
  node.input = input;
  return node;
}

/** A group of radio buttons, each with a line that explains it. The element has `.value` and `change` bubbles. */
export function choices(legend, name, options, chosen) {
  const group = uniqueId(name);
  const node = h(
    "fieldset",
    { class: "choices" },
    h("legend", {}, legend),
    ...options.map(([value, label, hint]) =>
      field({ label, hint, type: "radio", name: group, value, checked: value === chosen }),
    ),
  );
  Object.defineProperty(node, "value", { get: () => node.querySelector("input:checked")?.value ?? null });
  return node;
}

/** A group of tick boxes. The element has `.values`. */
export function ticks(legend, options, chosen = [], hint = null) {
  const node = h(
    "fieldset",
    { class: "choices ticks" },
    h("legend", {}, legend),
    hint ? h("p", { class: "hint" }, hint) : null,
    ...options.map(([value, label, told]) =>
      field({ label, hint: told, type: "checkbox", value, checked: chosen.includes(value) }),
    ),
  );
  Object.defineProperty(node, "values", {
    get: () => [...node.querySelectorAll("input:checked")].map((input) => input.value),
  });
  return node;
}

/** A form that says what went wrong, and is busy while it works. */
export function form({ submit, danger = false, work, cancel }, ...children) {
  const error = h("p", { class: "form-error", role: "alert" });
  const send = h("button", { type: "submit", class: danger ? "danger" : "primary" }, submit);
  const give = cancel ? h("button", { type: "button", onclick: cancel }, "Cancel") : null;
  const node = h("form", {}, ...children, error, h("div", { class: "actions" }, give, send));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-busy") === "true") return;
    error.textContent = "";
    send.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (failure) {
      if (failure?.name !== "AbortError") error.textContent = explain(failure);
    } finally {
      send.removeAttribute("aria-busy");
    }
  });
  return node;
}

/**
 * Opens a dialog. `build(close, signal)` returns its content; `signal` ends with the dialog, however it is closed, and
 * stops what still runs for it. The promise ends with what `close` was given. A dialog that is `sticky` shows what
 * cannot be shown again: only its own button closes it.
 */
export function openDialog(title, build, { wide = false, sticky = false } = {}) {
  return new Promise((resolve) => {
    const id = uniqueId("dialog");
    let outcome = null;
    const ended = new AbortController();
    const dialog = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : null });
    const close = (value = null) => {
      outcome = value;
      dialog.close();
    };
    const shut = h(
      "button",
      { type: "button", class: "quiet icon", "aria-label": "Close", onclick: () => close() },
      "×",
    );
    const body = h("div", { class: "dialog-body" });
    put(dialog, h("header", {}, h("h2", { id }, title), sticky ? null : shut), body);
    dialog.addEventListener("cancel", (event) => sticky && event.preventDefault());
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      ended.abort();
      const shelf = dialog.querySelector("#toasts");
      if (shelf) document.body.append(shelf);
      dialog.remove();
      // What opened it may be gone by what was done in it.
      if (before?.isConnected) before.focus();
      else document.querySelector("#main h1")?.focus({ preventScroll: true });
      resolve(outcome);
    });
    // Leaving the page leaves its dialogs.
    window.addEventListener("hashchange", () => dialog.close(), { signal: ended.signal });
    put(body, build(close, ended.signal));
    const told = body.querySelector(".told-first");
    if (told) dialog.setAttribute("aria-describedby", told.id);
    document.body.append(dialog);
    dialog.showModal();
    // Of a question without fields, the answer that does nothing.
    const first = body.querySelector("[autofocus], input:not([type=hidden]), select, textarea");
    (first ?? body.querySelector(".actions button") ?? shut).focus();
    announce(title);
  });
}

/**
 * Asks before something is done. With `typed`, that word must be typed. `work(signal)` runs inside the dialog, and
 * `signal` ends with it. Of `text`, strings say what will happen, and nodes come after them.
 */
export function confirmDialog({ title, text, confirm, typed = null, danger = true, work = async () => {} }) {
  return openDialog(title, (close, signal) => {
    const parts = [text].flat();
    const word =
      typed === null ? null : field({ label: `Type ${typed} to confirm`, required: true, autocapitalize: "off" });
    return form(
      {
        submit: confirm,
        danger,
        cancel: () => close(false),
        work: async () => {
          if (word && word.input.value !== typed) throw new Error(`Type exactly: ${typed}`);
          await work(signal);
          close(true);
        },
      },
      h(
        "div",
        { class: "told-first", id: uniqueId("told") },
        ...parts.filter((part) => typeof part === "string").map((part) => h("p", {}, part)),
      ),
      ...parts.filter((part) => typeof part !== "string"),
      word,
    );
  });
}

/** A number in a field, or `null` if it is empty; throws what is wrong with it. */
export function wholeNumber(input, what, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}) {
  const text = input.value.trim();
  if (text === "") return null;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    input.focus();
    throw new Error(
      `${what}: a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? " on" : ` to ${max}`}, please.`,
    );
  }
  return value;
}

/**
 * An editor of JSON that says at once what does not read: `check` tells what is wrong with a value, `remark` what is
 * worth knowing of it, or `null`. The element has `.read()`, `.input` and `.show(text)`.
 */
export function jsonEditor({ label, value, hint, rows = 16, check = () => null, remark = () => null }) {
  const node = field({ label, value, hint, rows, class: "code" });
  const verdict = h("p", { class: "verdict", role: "status" });
  node.append(verdict);
  const judge = () => {
    const text = node.input.value.trim();
    let [fault, told] = [null, null];
    if (text !== "") {
      try {
        const read = JSON.parse(text);
        fault = check(read);
        told = fault ? null : remark(read);
      } catch (error) {
        fault = error.message;
      }
    }
    verdict.textContent = text === "" ? "" : fault ? `Not yet right: ${fault}` : (told ?? "Reads as JSON.");
    verdict.className = `verdict ${fault ? "bad" : told ? "warning" : "good"}`;
    node.input.setAttribute("aria-invalid", fault ? "true" : "false");
    return fault;
  };
  let timer = null;
  node.input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(judge, 300);
  });
  node.show = (text) => {
    node.input.value = text;
    judge();
  };
  node.read = () => {
    if (judge()) {
      node.input.focus();
      throw new Error(verdict.textContent);
    }
    const text = node.input.value.trim();
    return text === "" ? null : JSON.parse(text);
  };
  judge();
  return node;
}
