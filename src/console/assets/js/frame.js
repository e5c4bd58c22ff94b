// The frame around every page: brand, navigation, theme, who is signed in, and the banner that says what is wrong
// with the whole server.

import { get, post } from "./api.js";
import { act, announce, button, every, h, put } from "./dom.js";
import { uploadPanel } from "./upload-panel.js";

const PAGES = [
  ["overview", "Overview", true],
  ["buckets", "Buckets", false],
  ["keys", "Keys", true],
  ["uploads", "Uploads", true],
  ["jobs", "Jobs", true],
  ["logs", "Requests", true],
];
const THEMES = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];
/** Seconds between two looks at the state of the server. */
const BANNER_SECONDS = 10;

function storedTheme() {
  try {
    return localStorage.getItem("sluicegate-theme") ?? "system";
  } catch {
    return "system";
  }
}

/** The choice of colours. */
export function themePicker() {
  const select = h(
    "select",
    { id: "theme", "aria-label": "Colours" },
    ...THEMES.map(([value, label]) => h("option", { value, selected: value === storedTheme() }, label)),
  );
  select.addEventListener("change", () => {
    const { value } = select;
    if (value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
    try {
      localStorage.setItem("sluicegate-theme", value);
    } catch {
      // It holds for this page, then.
    }
  });
  return select;
}

/** What the banner says of an overview, or `null` if all is well. */
export function bannerText(overview) {
  if (overview.is_paused)
    return ["warning", "Writes are paused. Reading works; every change is refused until they are resumed."];
  if (overview.draining) return ["warning", "The server is stopping: it finishes what runs and takes nothing new."];
  if (overview.read_only)
    return ["error", `The server is read-only${overview.reason ? ` (${overview.reason})` : ""}. Look at its disk.`];
  if (!overview.ready) return ["error", `The server is not ready${overview.reason ? `: ${overview.reason}` : ""}.`];
  return null;
}

function banner(session) {
  const node = h("div", { class: "banner", hidden: true });
  const stop = new AbortController();
  let told = "";
  const show = (overview) => {
    const found = bannerText(overview);
    node.hidden = found === null;
    const text = found?.[1] ?? "";
    if (text === told) return;
    told = text;
    node.className = `banner ${found?.[0] ?? ""}`;
    put(
      node,
      h("p", {}, text),
      overview.is_paused
        ? button("Resume writes", async () => {
            await post("/v1/control/resume", {});
            await look();
          })
        : null,
    );
    announce(text === "" ? "The server is well again." : text, text !== "");
  };
  const look = async () => {
    try {
      show(await get("/v1/overview", { signal: stop.signal }));
    } catch (error) {
      if (error.status === 0) show({ ready: false, reason: "it cannot be reached" });
    }
  };
  if (session.is_admin) every(BANNER_SECONDS, stop.signal, look);
  return { node, show, stop: () => stop.abort() };
}

/** Builds the frame. `signOut` is called by its button. */
export function frame(session, signOut) {
  const links = PAGES.filter(([, , admin]) => !admin || session.is_admin).map(([name, label]) =>
    h("a", { href: `#/${name}`, "data-page": name }, label),
  );
  const list = h("ul", { id: "pages" }, ...links.map((link) => h("li", {}, link)));
  const menu = h(
    "button",
    { type: "button", class: "menu quiet", "aria-expanded": "false", "aria-controls": "pages" },
    "Menu",
  );
  const nav = h("nav", { "aria-label": "Pages" }, menu, list);
  const fold = (open) => {
    menu.setAttribute("aria-expanded", String(open));
    nav.classList.toggle("open", open);
  };
  menu.addEventListener("click", () => fold(menu.getAttribute("aria-expanded") !== "true"));
  nav.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && nav.classList.contains("open")) {
      fold(false);
      menu.focus();
    }
  });
  const out = h("button", { type: "button" }, "Sign out");
  out.addEventListener("click", () => act(out, signOut));
  const top = h(
    "header",
    { class: "top" },
    h(
      "a",
      { class: "brand", href: session.is_admin ? "#/overview" : "#/buckets" },
      h("img", { src: "/console/icon.svg", alt: "", width: "28", height: "28" }),
      "Sluicegate",
    ),
    nav,
    h(
      "div",
      { class: "who" },
      themePicker(),
      h("span", { class: "name", title: session.access_key_id }, session.name),
      out,
    ),
  );
  const main = h("main", { id: "main" });
  const state = banner(session);
  const root = h("div", { class: "frame" }, top, state.node, main, uploadPanel());
  return {
    root,
    main,
    /** Shows what an overview says in the banner. */
    tell: state.show,
    /** Marks the page of the navigation. */
    mark(page) {
      fold(false);
      for (const link of links) {
        if (link.dataset.page === page) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
    stop: state.stop,
  };
}
