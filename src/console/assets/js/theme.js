// Chooses the colours before anything is painted: what the visitor chose here, else what the system says.
"use strict";
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("sluicegate-theme");
  } catch {
    // Storage is switched off: the system decides.
  }
  if (choice === "light" || choice === "dark") {
    document.documentElement.dataset.theme = choice;
  }
})();
