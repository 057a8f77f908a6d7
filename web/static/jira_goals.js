/* The goals inside Jira: kept live, and opened in Ladder's own pages by a one-time link. Every call carries a context
 * token from Jira's bridge; there are no cookies here. Folding and arrow keys are in pages.js. */
"use strict";

(() => {
  const POLL_MS = 1000;
  const SLOWEST_POLL_MS = 15000;
  const main = document.getElementById("main");
  const notices = document.getElementById("notices");
  const lost = document.getElementById("lost");
  let etag = document.body.dataset.etag;
  let failures = 0;
  let timer = 0;
  let asking = false;

  const token = () => new Promise((resolve, reject) => {
    if (!window.AP) { reject(new Error("no bridge")); return; }
    AP.context.getToken((given) => given ? resolve(given) : reject(new Error("no token")));
  });

  async function poll() {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch("/jira/goals/live", {
        headers: { Authorization: `JWT ${await token()}`, "If-None-Match": etag }, cache: "no-store", credentials: "omit",
      });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = document.createElement("main");
        fresh.id = "main";
        fresh.tabIndex = -1;
        fresh.innerHTML = await answer.text();
        main.dispatchEvent(new CustomEvent("ladder:fresh", { detail: fresh, bubbles: true }));
        etag = answer.headers.get("ETag");
      }
      failures = 0;
      lost.hidden = true;
    } catch {
      failures += 1;
      lost.hidden = failures < 2;
    } finally {
      asking = false;
      timer = setTimeout(poll, Math.min(POLL_MS * 2 ** Math.min(failures, 5), SLOWEST_POLL_MS));
    }
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
  timer = setTimeout(poll, POLL_MS);

  function say(text) {
    const notice = document.createElement("div");
    notice.className = "notice notice-bad";
    notice.append(Object.assign(document.createElement("span"), { textContent: text }));
    notices.replaceChildren(notice);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-open]");
    if (!button) return;
    // The window is opened while the click is still known to the browser, or it would count as a pop-up.
    const opened = window.open("about:blank", "_blank");
    try {
      const answer = await fetch("/jira/goals/open", {
        method: "POST", credentials: "omit", body: JSON.stringify({ key_result_id: button.dataset.open }),
        headers: { Authorization: `JWT ${await token()}`, "Content-Type": "application/json" },
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const { url } = await answer.json();
      if (opened) { opened.opener = null; opened.location.replace(url); } else location.assign(url);
    } catch {
      opened?.close();
      say("Ladder could not open that page. Reload this one and try again.");
    }
  });

  window.AP?.theming?.initializeTheming?.();
})();
