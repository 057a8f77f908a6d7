/* Keeps the issue panel live and carries out its actions.
 *
 * Plain script, no framework: what has to be right here is focus, typed text and a token that must be asked for before
 * every request. htmx would swap whole fragments (losing focus and half-typed weights without a morphing extension)
 * and asks for headers synchronously, while Jira's bridge hands out context tokens by callback. The server renders
 * every piece of HTML; this file only fetches it and lays it over what is there. No cookies are involved.
 */
(() => {
  "use strict";

  const POLL_MS = 1000;
  const SLOWEST_MS = 30000;
  const UNDO_MS = 10000;
  const TYPING_MS = 140;
  const PATIENCE_MS = 10000;

  const el = (id) => document.getElementById(id);
  const panel = el("panel");
  const { Trouble, ask, bridge, morphChildren, said } = window.ladder;

  if (bridge() && bridge().theming) bridge().theming.initializeTheming();
  if (!document.body.dataset.base) return; // a closed door: nothing to keep live

  // ---- laying new HTML over the old ----------------------------------------------------------------------------

  function lay(html) {
    const fresh = new DOMParser().parseFromString(`<main>${html}</main>`, "text/html").body.firstElementChild;
    const before = new Map([...panel.querySelectorAll("[data-said]")].map((entry) => [entry.id, entry.dataset.said]));
    const focused = document.activeElement;
    const inside = panel.contains(focused);
    const near = inside && focused.closest("[id^=entry-]");
    morphChildren(panel, fresh);
    settle();
    if (inside && !panel.contains(document.activeElement)) {
      (focused.isConnected ? focused : (near && near.isConnected && near.querySelector("h2")) || el("top")).focus();
    }
    return [...panel.querySelectorAll("[data-said]")]
      .filter((entry) => before.get(entry.id) !== entry.dataset.said)
      .map((entry) => entry.dataset.said);
  }

  /* Bring what belongs to the person in line with what the server now shows. */
  function settle() {
    const search = el("search");
    const words = el("search-words");
    if (search && !el("link-more")) search.hidden = false;
    if (search && el("link-more") && !search.dataset.asked && !words.value && words !== document.activeElement) search.hidden = true;
    for (const toggle of panel.querySelectorAll("[data-toggle]")) {
      toggle.setAttribute("aria-expanded", String(!el(toggle.dataset.toggle).hidden));
    }
    for (const rows of panel.querySelectorAll(".rows:not([hidden])")) {
      if (rows.dataset.shown !== rows.dataset.changed) showRows(rows);
    }
  }

  function hear(words) {
    if (words.length) el("heard").textContent = words.join(". ");
  }

  // ---- live ----------------------------------------------------------------------------------------------------

  let etag = document.body.dataset.etag;
  let timer = 0;
  let fails = 0;
  let turn = 0; // grows with every action: an answer that was asked for before it is old news
  let over = false;

  function schedule(delay) {
    clearTimeout(timer);
    if (!over && !document.hidden) timer = setTimeout(look, delay);
  }

  async function look() {
    const mine = turn;
    try {
      const answer = await ask("live", { headers: { "If-None-Match": etag }, signal: AbortSignal.timeout(PATIENCE_MS) });
      const html = answer.status === 304 ? null : await answer.text();
      if (mine === turn && html !== null) {
        etag = answer.headers.get("ETag") || "";
        hear(lay(html));
      }
      fails = 0;
      forget();
      schedule(answer.status < 400 ? POLL_MS : SLOWEST_MS);
    } catch (error) {
      fails += 1;
      complain(error);
      schedule(Math.min(SLOWEST_MS, POLL_MS * 2 ** fails) * (0.75 + Math.random() / 2));
    }
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : schedule(0)));

  let since = null;
  function complain(error) {
    if (error.kind === "session") {
      over = true;
      trouble("Your session here has ended.", "Reload", reload);
    } else if (error.kind === "bridge") {
      if (fails > 1) trouble("Jira's page bridge does not answer: the numbers are from when this page was opened.", "Reload", reload);
    } else if (error.kind === "unreachable") {
      since = since || new Date();
      const at = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
      if (fails > 1) trouble(error.words || `Ladder has not answered since ${at}. The numbers may be old; trying again.`, "Try now", () => schedule(0));
    } else {
      throw error;
    }
  }

  function trouble(words, step, go) {
    if (el("trouble-words").textContent !== words) el("trouble-words").textContent = words;
    el("trouble-step").textContent = step;
    el("trouble-step").onclick = go;
    el("trouble").hidden = false;
  }

  function forget() {
    since = null;
    if (el("trouble").hidden) return;
    const focused = el("trouble").contains(document.activeElement);
    el("trouble").hidden = true;
    if (focused) el("top").focus();
  }

  function reload() {
    const ap = bridge();
    if (ap && ap.navigator && ap.navigator.reload) ap.navigator.reload();
    else trouble("Please reload the ticket in your browser.", "Reload", reload);
  }

  // ---- what an action did, and taking it back --------------------------------------------------------------------

  let fading = 0;
  function notify(words, { bad = false, undo = "", near = 0 } = {}) {
    const notice = el("notice");
    clearTimeout(fading);
    notice.classList.remove("notice-timed");
    notice.classList.toggle("notice-bad", bad);
    el("notice-words").textContent = words;
    el("notice-undo").hidden = !undo;
    el("notice-undo").dataset.undo = undo;
    notice.hidden = false;
    // Over words, not over controls: the next thing to press must not be covered for ten seconds.
    const tops = [...panel.querySelectorAll(".chain, .lead, .empty")].map((words) => words.getBoundingClientRect().top + window.scrollY);
    tops.sort((one, other) => Math.abs(one - near) - Math.abs(other - near));
    notice.style.top = `${Math.max(4, (tops[0] || 8) - 4)}px`;
    if (!bad) {
      void notice.offsetWidth; // restarts the running-out line
      notice.classList.add("notice-timed");
      fading = setTimeout(dismiss, UNDO_MS);
    }
    el("heard").textContent = undo ? `${words} Undo is possible for ten seconds.` : words;
  }

  let comeBack = null;
  function dismiss() {
    clearTimeout(fading);
    const focused = el("notice").contains(document.activeElement);
    el("notice").hidden = true;
    if (!focused) return;
    const place = comeBack && el(comeBack);
    (place || panel.querySelector("h2[tabindex]") || el("top")).focus();
  }

  /* Carry out one action; `trigger` is what was pressed. */
  async function act(path, json, trigger) {
    if (trigger.getAttribute("aria-busy") === "true") return;
    trigger.setAttribute("aria-busy", "true");
    const near = trigger.getBoundingClientRect().top + window.scrollY;
    turn += 1;
    try {
      const answer = await ask(path, { json });
      if (!answer.ok) throw new Trouble("refused", (await said(answer)) || "That did not work. Please reload the ticket.");
      const done = await answer.json();
      turn += 1;
      etag = done.etag;
      comeBack = done.focus || null;
      const held = document.activeElement;
      if (path === "link") closeSearch();
      lay(done.panel);
      notify(done.words, { undo: done.undo || "", near });
      const lost = !held || !held.isConnected || held === document.body || held.closest("[hidden]") || el("notice").contains(held) || held === el("top");
      if (lost && path === "link" && comeBack && el(comeBack)) el(comeBack).focus();
      else if (lost && done.undo) el("notice-undo").focus();
      else if (lost) ((comeBack && el(comeBack)) || el("top")).focus();
      schedule(POLL_MS);
    } catch (error) {
      if (error.kind === "session") complain(error);
      else if (error.kind === "refused") notify(error.message, { bad: true, near });
      else if (error.kind) notify(error.words || "Ladder does not answer just now. Nothing was changed; please try again.", { bad: true, near });
      else throw error;
    } finally {
      trigger.removeAttribute("aria-busy");
    }
  }

  /* Open Ladder's own page: a one-time sign-in link, in a tab opened at once so that no pop-up blocker steps in. */
  async function open(keyResult, trigger) {
    const tab = window.open("about:blank", "_blank");
    try {
      const answer = await ask("open", { json: { key_result_id: keyResult } });
      if (!answer.ok) throw new Trouble("refused", await said(answer));
      const { url } = await answer.json();
      if (!tab) throw new Trouble("refused", "Your browser blocked the new tab. Allow pop-ups for this site and try again.");
      tab.opener = null;
      tab.location.replace(url);
    } catch (error) {
      if (tab) tab.close();
      if (!error.kind) throw error;
      notify(error.words || "Ladder does not answer just now. Please try again.", { bad: true, near: trigger.getBoundingClientRect().top + window.scrollY });
    }
  }

  // ---- why these numbers -----------------------------------------------------------------------------------------

  async function showRows(rows) {
    const button = panel.querySelector(`[aria-controls="${rows.id}"]`);
    rows.dataset.shown = rows.dataset.changed;
    if (!rows.firstElementChild) rows.textContent = "Reading the ledger…";
    try {
      const answer = await ask("why", { query: { keyResultId: button.dataset.why } });
      if (!answer.ok) throw new Trouble("refused", await said(answer));
      const fresh = new DOMParser().parseFromString(`<div>${await answer.text()}</div>`, "text/html").body.firstElementChild;
      morphChildren(rows, fresh);
    } catch (error) {
      if (!error.kind) throw error;
      rows.textContent = error.words || "The ledger can't be read just now. Close this and try again.";
      delete rows.dataset.shown;
    }
  }

  // ---- searching -------------------------------------------------------------------------------------------------

  let typing = 0;
  let searching = null;

  function closeSearch() {
    clearTimeout(typing);
    if (searching) searching.abort();
    const words = el("search-words");
    if (!words) return;
    words.value = "";
    words.blur();
    hideFound();
    if (el("link-more")) {
      el("search").hidden = true;
      delete el("search").dataset.asked;
    }
  }

  function hideFound() {
    const words = el("search-words");
    el("search-found").hidden = true;
    el("search-none").hidden = true;
    words.setAttribute("aria-expanded", "false");
    words.removeAttribute("aria-activedescendant");
  }

  async function find() {
    const words = el("search-words");
    if (searching) searching.abort();
    searching = new AbortController();
    try {
      const answer = await ask("search", { query: { q: words.value }, signal: searching.signal });
      if (!answer.ok) throw new Trouble("refused", await said(answer));
      const fresh = new DOMParser().parseFromString(`<div>${await answer.text()}</div>`, "text/html").body.firstElementChild;
      const found = el("search-found");
      if (!found) return;
      morphChildren(found, fresh);
      found.scrollTop = 0;
      const count = found.querySelectorAll("[role=option]").length;
      found.hidden = !count;
      words.setAttribute("aria-expanded", String(count > 0));
      words.removeAttribute("aria-activedescendant");
      none(count ? "" : words.value.trim() ? "No open key result has these words. Try fewer or other ones." : "There is no open key result to link.");
      hear([count ? `${count} key result${count === 1 ? "" : "s"} found` : el("search-none").textContent]);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!error.kind) throw error;
      none(error.words || "Ladder does not answer just now. Type again to retry.");
    }
  }

  function none(words) {
    el("search-none").textContent = words;
    el("search-none").hidden = !words;
  }

  function choose(step) {
    const words = el("search-words");
    const options = [...el("search-found").querySelectorAll("[role=option]")];
    if (!options.length) return;
    const now = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const next = now < 0 ? (step > 0 ? 0 : options.length - 1) : (now + step + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === next)));
    options[next].scrollIntoView({ block: "nearest" });
    words.setAttribute("aria-activedescendant", options[next].id);
  }

  panel.addEventListener("input", (event) => {
    if (event.target.id === "search-words") {
      clearTimeout(typing);
      typing = setTimeout(find, TYPING_MS);
    }
    if (event.target.name === "weight") el(event.target.getAttribute("aria-describedby")).textContent = "";
  });

  panel.addEventListener("keydown", (event) => {
    const target = event.target;
    if (target.id === "search-words") {
      const open = !el("search-found").hidden;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (open) choose(event.key === "ArrowDown" ? 1 : -1);
        else find();
      } else if (event.key === "Enter") {
        event.preventDefault();
        const chosen = open && el("search-found").querySelector("[aria-selected=true]");
        if (chosen) pick(chosen);
      } else if (event.key === "Escape") {
        if (open || target.value) {
          target.value = "";
          hideFound();
        } else if (el("link-more")) {
          closeSearch();
          settle();
          el("link-more").focus();
        }
      }
    } else if (event.key === "Escape") {
      const tray = target.closest(".tray, .rows");
      if (!tray) return;
      const opener = panel.querySelector(`[aria-controls="${tray.id}"]`);
      tray.hidden = true;
      opener.setAttribute("aria-expanded", "false");
      opener.focus();
    }
  });

  panel.addEventListener("focusout", (event) => {
    if (event.target.id === "search-words" && event.relatedTarget && !el("search").contains(event.relatedTarget)) hideFound();
  });
  // A press on an option must not take the focus out of the field before the click arrives.
  panel.addEventListener("mousedown", (event) => {
    if (event.target.closest("[role=option]")) event.preventDefault();
  });

  function pick(option) {
    if (option.getAttribute("aria-disabled") !== "true") act("link", { key_result_id: option.dataset.link }, option);
  }

  // ---- pressing --------------------------------------------------------------------------------------------------

  panel.addEventListener("click", (event) => {
    if (event.target.id === "search-words") {
      if (el("search-found").hidden) find();
      return;
    }
    const pressed = event.target.closest("button, [role=option]");
    if (!pressed) return;
    const { dataset } = pressed;
    if (pressed.matches("[role=option]")) pick(pressed);
    else if ("link" in dataset) act("link", { key_result_id: dataset.link }, pressed);
    else if ("unlink" in dataset) act("unlink", { link_id: dataset.unlink }, pressed);
    else if ("declare" in dataset) act("not-goal-work", { category: dataset.declare || null }, pressed);
    else if ("open" in dataset) open(dataset.open, pressed);
    else if ("why" in dataset) {
      const rows = el(pressed.getAttribute("aria-controls"));
      rows.hidden = !rows.hidden;
      pressed.setAttribute("aria-expanded", String(!rows.hidden));
      if (!rows.hidden) showRows(rows);
    } else if ("toggle" in dataset) {
      const part = el(dataset.toggle);
      part.hidden = !part.hidden;
      pressed.setAttribute("aria-expanded", String(!part.hidden));
      const field = !part.hidden && part.querySelector("input");
      if (part.id === "search") {
        if (part.hidden) closeSearch();
        else {
          part.dataset.asked = "yes";
          find();
        }
      }
      if (field) {
        field.focus();
        field.select();
      }
    }
  });

  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const field = form.elements.weight;
    const value = field.value.trim();
    if (!/^\d+([.,]\d+)?$/.test(value)) {
      el(field.getAttribute("aria-describedby")).textContent = "Weight is a number from 0 to 1000, such as 2 or 0.5.";
      field.focus();
      return;
    }
    act("weight", { link_id: form.dataset.weight, weight: value.replace(",", ".") }, form.querySelector("[type=submit]"));
  });

  el("notice-undo").addEventListener("click", (event) => act("undo", { undo: event.currentTarget.dataset.undo }, event.currentTarget));
  el("notice-close").addEventListener("click", dismiss);
  el("notice").addEventListener("keydown", (event) => {
    if (event.key === "Escape") dismiss();
  });

  schedule(POLL_MS);
})();
