// Starts the console: who is signed in, which page the address means, the frame around it. Knows every page by its
// route and nothing of what a page does.

import { SIGNED_OUT, api, get } from "./api.js";
import { announce, button, explain, h, note, put } from "./dom.js";
import { frame } from "./frame.js";
import { stopUploads } from "./upload-panel.js";
import { signIn } from "./pages/sign-in.js";

/** Route → the module of its page. `:name` stands for one escaped step. `admin` pages are hidden from other keys. */
const ROUTES = [
  { path: "overview", load: () => import("./pages/overview.js"), admin: true },
  { path: "buckets", load: () => import("./pages/buckets.js") },
  { path: "buckets/:bucket", load: () => import("./pages/browser.js") },
  { path: "buckets/:bucket/files", load: () => import("./pages/browser.js") },
  { path: "buckets/:bucket/files/:prefix", load: () => import("./pages/browser.js") },
  { path: "buckets/:bucket/object/:key", load: () => import("./pages/object.js") },
  { path: "buckets/:bucket/settings", load: () => import("./pages/settings.js"), admin: true },
  { path: "buckets/:bucket/settings/:tab", load: () => import("./pages/settings.js"), admin: true },
  { path: "keys", load: () => import("./pages/keys.js"), admin: true },
  { path: "keys/:id", load: () => import("./pages/key.js"), admin: true },
  { path: "uploads", load: () => import("./pages/uploads.js"), admin: true },
  { path: "jobs", load: () => import("./pages/jobs.js"), admin: true },
  { path: "logs", load: () => import("./pages/logs.js"), admin: true },
  { path: "logs/:id", load: () => import("./pages/request.js"), admin: true },
];

const app = document.getElementById("app");
let session = null;
let shell = null;
let leaving = null;

/** The route of a hash, with its parameters; `null` if there is none. */
function findRoute(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const steps = path.split("/").filter((step) => step !== "");
  for (const route of ROUTES) {
    const names = route.path.split("/");
    if (names.length !== steps.length) continue;
    const parameters = {};
    const fits = names.every((name, at) => {
      if (!name.startsWith(":")) return name === steps[at];
      try {
        parameters[name.slice(1)] = decodeURIComponent(steps[at]);
        return true;
      } catch {
        return false;
      }
    });
    if (fits) return { ...route, parameters, search: new URLSearchParams(search) };
  }
  return null;
}

function showFailure(main, error, retry) {
  put(
    main,
    h("h1", { tabindex: "-1" }, "This page could not be shown"),
    note("error", h("p", {}, explain(error))),
    h("div", { class: "actions" }, button("Try again", retry, { class: "primary" })),
  );
}

/** What finds an element again in a page that is made anew: what it is, and its name. */
function trace(node) {
  if (!node || node === document.body || !shell.main.contains(node)) return null;
  const nameOf = (one) => one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent;
  const [tag, name] = [node.tagName, nameOf(node)];
  return (main) => [...main.querySelectorAll(tag)].find((one) => nameOf(one) === name) ?? main.querySelector("h1");
}

/** Shows the page of the address; with `again`, the page that is there anew, and people stay where they are in it. */
async function show({ again = false } = {}) {
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const home = session.is_admin ? "#/overview" : "#/buckets";
  const route = findRoute(location.hash);
  if (!route || (route.admin && !session.is_admin)) {
    location.replace(home);
    return;
  }
  shell.mark(route.path.split("/")[0]);
  const main = h("div", { class: "page" });
  const stay = again ? trace(document.activeElement) : null;
  // What is about to go takes no clicks and no text any more.
  if (again && shell.main.firstElementChild) shell.main.firstElementChild.inert = true;
  else put(shell.main, h("p", { class: "loading", role: "status" }, "Loading…"));
  try {
    const page = await route.load();
    await page.render({
      main,
      session,
      signal,
      shell,
      ...route.parameters,
      search: route.search,
      reload: () => show({ again: true }),
    });
  } catch (error) {
    if (signal.aborted || error?.name === "AbortError") return;
    showFailure(main, error, () => show());
  }
  if (signal.aborted) return;
  const scrolled = window.scrollY;
  put(shell.main, main);
  const heading = main.querySelector("h1");
  document.title = heading ? `${heading.textContent} – Sluicegate` : "Sluicegate";
  heading?.setAttribute("tabindex", "-1");
  // A dialog that the page opened by itself has the focus.
  if (!again && !document.querySelector("dialog[open]")) heading?.focus({ preventScroll: true });
  stay?.(main)?.focus({ preventScroll: true });
  window.scrollTo(0, again ? scrolled : 0);
}

function enter(found) {
  session = found;
  shell = frame(session, signOut);
  put(app, shell.root);
  show();
}

function leave(message = "") {
  leaving?.abort();
  shell?.stop();
  stopUploads();
  [session, shell] = [null, null];
  document.title = "Sign in – Sluicegate";
  put(app, signIn({ message, entered: enter }));
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  app.querySelector("input")?.focus();
}

async function signOut() {
  await api("DELETE", "/v1/session", undefined, { quiet: true }).catch((error) => {
    if (error.status !== 401) throw error;
  });
  leave("You are signed out.");
  announce("You are signed out.");
}

window.addEventListener("hashchange", () => session && show());
window.addEventListener(SIGNED_OUT, () => session && leave("Your session has ended. Please sign in again."));
document.getElementById("skip").addEventListener("click", (event) => {
  // The hash is the route; a plain jump would lose the page.
  event.preventDefault();
  (app.querySelector("#main h1") ?? app.querySelector("input"))?.focus();
});

async function start() {
  try {
    enter(await get("/v1/session", { quiet: true }));
  } catch (error) {
    if (error.status === 401) leave();
    else {
      put(
        app,
        h(
          "main",
          { class: "lone" },
          h("h1", {}, "Sluicegate"),
          note("error", h("p", {}, explain(error))),
          button("Try again", start, { class: "primary" }),
        ),
      );
    }
  }
}

start();
