/* Before the first paint: wear the picked theme. */
(() => {
  "use strict";
  const picked = localStorage.getItem("stand-in-theme") || "system";
  const dark = picked === "dark" || (picked === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.colorMode = dark ? "dark" : "light";
})();
