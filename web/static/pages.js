/* Ladder's own pages: what needs a hand in the browser. Every page works without this file; it adds live updates,
 * answers without a reload, folding and arrow keys in the tree, findings while typing, and values under the pointer. */
"use strict";

(() => {
  const POLL_MS = 1000;
  const SLOWEST_POLL_MS = 15000;
  const UNDO_MS = 10000;
  const main = document.getElementById("main");
  const notices = document.getElementById("notices");
  const lost = document.getElementById("lost");
  const token = () => document.querySelector('input[name="token"]')?.value ?? "";
  const later = (work, ms) => {
    let timer;
    return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), ms); };
  };

  /* --- Making this page look like a fresh one without losing focus, selection, scroll or typed text. --- */

  const KEPT = new Set(["open"]); // what the person opened stays open
  const keyOf = (node) => node.nodeType === 1 ? node.id || node.dataset.key || "" : "";
  const isTyped = (node) => "defaultValue" in node && node.value !== node.defaultValue;

  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
      old.replaceWith(document.importNode(fresh, true));
      return;
    }
    if (old.nodeType !== 1) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    // What is being typed is the person's; what surrounds it, such as an error, is ours.
    const typed = isTyped(old) || (old === document.activeElement && old.matches("input, select, textarea"));
    const kept = (name) => KEPT.has(name) || (typed && name === "value");
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
    }
    if (old.nodeName === "TEXTAREA") {
      if (!typed && old.defaultValue !== fresh.defaultValue) old.defaultValue = fresh.defaultValue;
      return;
    }
    if (!typed) morphChildren(old, fresh);
  }

  function morphChildren(old, fresh) {
    const keyed = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
    const wanted = new Set([...fresh.children].map(keyOf).filter(Boolean));
    let place = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      while (place && keyOf(place) && !wanted.has(keyOf(place))) {
        const gone = place;
        place = place.nextSibling;
        gone.remove();
      }
      const key = keyOf(next);
      const same = key ? keyed.get(key) : null;
      if (same) {
        if (same === place) place = place.nextSibling;
        else old.insertBefore(same, place);
        morph(same, next);
      } else if (!key && place && !keyOf(place) && place.nodeName === next.nodeName) {
        const current = place;
        place = place.nextSibling;
        morph(current, next);
      } else {
        old.insertBefore(document.importNode(next, true), place);
      }
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

  /* What changed elsewhere is also said, once, to those who listen. */
  const heard = document.getElementById("heard");
  const numbers = () => [...document.querySelectorAll("#numbers .number-share, .small-number .share")]
    .map((one) => one.textContent).join();
  const tell = () => {
    if (!heard) return;
    const rows = [...document.querySelectorAll("#numbers .number")].map((one) => one.textContent.replace(/\s+/g, " ").trim());
    heard.textContent = rows.length ? `Changed elsewhere: ${rows.join("; ")}` : "Numbers changed elsewhere.";
  };

  function show(html, { everything = false, quiet = everything } = {}) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const freshMain = page.getElementById("main");
    if (!freshMain) { location.reload(); return; }
    const had = document.activeElement;
    const before = numbers();
    if (everything) {
      document.title = page.title;
      morph(main, freshMain);
    } else {
      for (const region of page.querySelectorAll("[data-live]")) {
        const old = document.getElementById(region.id);
        if (old) morph(old, region);
      }
    }
    if (everything || page.querySelector("#notices > *")) {
      notices.replaceChildren(...[...page.getElementById("notices").children].map((n) => document.importNode(n, true)));
    }
    const revision = page.body.dataset.revision;
    if (revision) document.body.dataset.revision = revision;
    settle();
    if (!quiet && numbers() !== before) tell();
    if (had && had !== document.body && !had.isConnected) {
      (notices.querySelector("[data-undo]") ?? main).focus({ preventScroll: true });
    }
  }

  /* --- Live: ask whether anything changed, cheaply, and only while somebody looks. --- */

  let failures = 0;
  let timer = 0;
  let asking = false;
  let acting = 0; // while an action is under way its own answer is what counts

  async function poll() {
    clearTimeout(timer);
    if (document.hidden || asking || !document.body.dataset.revision) return;
    asking = true;
    try {
      const at = location.href;
      const answer = await fetch(at, {
        headers: { "If-None-Match": `"${document.body.dataset.revision}"`, "X-Ladder-Live": "1" },
        cache: "no-store", credentials: "same-origin",
      });
      // Signed out, or what was shown is gone: the page itself says so better than we could.
      if (answer.redirected || answer.status === 403 || answer.status === 404) { location.reload(); return; }
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(String(answer.status));
        const html = await answer.text();
        if (!acting && at === location.href) show(html);
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
  if (document.body.dataset.revision) timer = setTimeout(poll, POLL_MS);

  /* --- Actions that answer in place. --- */

  function say(text, tone) {
    const notice = document.createElement("div");
    notice.className = `notice notice-${tone}`;
    notice.append(Object.assign(document.createElement("span"), { textContent: text }));
    notices.replaceChildren(notice);
  }

  /* --- Text to take along. --- */

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // Inside a tracker's frame, and without HTTPS, only the older way may be open.
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
      if (copied) getSelection().removeAllRanges();
    }
    say(copied ? `Copied: ${source.textContent}` : "Your browser does not let a page copy. The query is selected: press Ctrl and C.", copied ? "good" : "bad");
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-quick]")) {
      if (form.method === "post") setTimeout(() => form.querySelectorAll("button").forEach((b) => { b.disabled = true; }));
      return;
    }
    event.preventDefault();
    const sent = new URLSearchParams(new FormData(form, event.submitter));
    const button = event.submitter ?? form.querySelector("button");
    if (button) button.setAttribute("aria-disabled", "true");
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    acting += 1;
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: sent, credentials: "same-origin", headers: { "X-Ladder-Token": token(), Accept: "text/html" },
      });
      const html = await answer.text();
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.assign(answer.url); return; }
      if (answer.redirected) form.reset();
      show(html, { everything: true });
      focusError();
    } catch {
      say("Ladder does not answer, so nothing was changed. What you typed is still here.", "bad");
    } finally {
      acting -= 1;
      delete form.dataset.busy;
      button?.removeAttribute("aria-disabled");
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });

  // A page brought back by the Back button must not keep the buttons that its last form switched off.
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[disabled]")) button.disabled = false;
  });

  /* --- Filters and dates that only choose what is shown: same address with another query. --- */

  async function choose(form) {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    const address = `${form.action.split("?")[0]}${query.size ? `?${query}` : ""}`;
    history.replaceState(null, "", address);
    acting += 1;
    try {
      const answer = await fetch(address, { cache: "no-store", credentials: "same-origin" });
      if (!answer.ok || answer.redirected) { location.assign(address); return; }
      const html = await answer.text();
      if (location.href === new URL(address, location.href).href) show(html, { quiet: true });
    } catch {
      lost.hidden = false;
    } finally {
      acting -= 1;
    }
  }
  const chooseSoon = later(choose, 180);
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-choose]");
    if (form) event.target.type === "search" ? chooseSoon(form) : choose(form);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-choose]")) { event.preventDefault(); choose(event.target); }
  });

  /* --- The tree: folding, and arrow keys as in every tree. --- */

  const FOLDS = "ladder.folded";
  const folded = new Set((() => { try { return JSON.parse(localStorage.getItem(FOLDS)) ?? []; } catch { return []; } })());
  const tree = () => document.querySelector("table[role=treegrid]");
  const rows = () => [...(tree()?.tBodies[0]?.rows ?? [])];

  function applyFolds() {
    const searching = Boolean(tree()?.dataset.filtered);
    const hiddenParents = new Set();
    for (const row of rows()) {
      const hidden = hiddenParents.has(row.dataset.parent);
      row.hidden = hidden;
      const closed = !searching && folded.has(row.dataset.key);
      if (row.hasAttribute("aria-expanded")) row.setAttribute("aria-expanded", String(!closed));
      if (hidden || closed) hiddenParents.add(row.dataset.key);
    }
    const reachable = rows().filter((row) => !row.hidden);
    const current = reachable.find((row) => row === document.activeElement || row.contains(document.activeElement))
      ?? reachable.find((row) => row.dataset.current) ?? reachable[0];
    for (const row of rows()) row.tabIndex = row === current ? 0 : -1;
  }
  function fold(row, closed) {
    if (!row?.hasAttribute("aria-expanded")) return;
    closed ? folded.add(row.dataset.key) : folded.delete(row.dataset.key);
    try { localStorage.setItem(FOLDS, JSON.stringify([...folded].slice(-500))); } catch { /* private mode: folds last a page */ }
    applyFolds();
  }
  function goTo(row) {
    if (!row) return;
    for (const other of rows()) { other.tabIndex = -1; delete other.dataset.current; }
    row.tabIndex = 0;
    row.dataset.current = "yes";
    row.focus();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.fold");
    if (button) {
      const row = button.closest("tr");
      fold(row, row.getAttribute("aria-expanded") === "true");
    }
    const all = event.target.closest("[data-fold-all]");
    if (all) {
      for (const row of rows()) {
        if (row.hasAttribute("aria-expanded")) all.dataset.foldAll === "yes" ? folded.add(row.dataset.key) : folded.delete(row.dataset.key);
      }
      try { localStorage.setItem(FOLDS, JSON.stringify([...folded].slice(-500))); } catch { /* as above */ }
      applyFolds();
    }
    for (const open of document.querySelectorAll("details.switch[open]")) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = document.querySelector("details.switch[open]");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
    }
    const row = event.target;
    if (event.altKey || event.ctrlKey || event.metaKey || !(row instanceof HTMLTableRowElement) || !tree()?.contains(row)) return;
    const seen = rows().filter((other) => !other.hidden);
    const at = seen.indexOf(row);
    const expanded = row.getAttribute("aria-expanded");
    const steps = {
      ArrowDown: () => goTo(seen[at + 1]),
      ArrowUp: () => goTo(seen[at - 1]),
      Home: () => goTo(seen[0]),
      End: () => goTo(seen.at(-1)),
      ArrowRight: () => expanded === "false" ? fold(row, false) : goTo(seen[at + 1]?.dataset.parent === row.dataset.key ? seen[at + 1] : null),
      ArrowLeft: () => expanded === "true" ? fold(row, true) : goTo(rows().find((other) => other.dataset.key === row.dataset.parent)),
      Enter: () => expanded ? fold(row, expanded === "true") : row.querySelector("a")?.click(),
    };
    if (steps[event.key]) { event.preventDefault(); steps[event.key](); }
  });

  /* --- Findings while typing. --- */

  const judge = later(async (form) => {
    const box = form.querySelector(".findings");
    try {
      const answer = await fetch(form.dataset.judge, {
        method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin",
        headers: { "X-Ladder-Token": token() },
      });
      if (!answer.ok) return;
      const { findings } = await answer.json();
      box.replaceChildren(...findings.map(({ rule, fix }) => {
        const line = document.createElement("p");
        line.className = "finding";
        line.append(Object.assign(document.createElement("b"), { textContent: `${rule}.` }), ` ${fix}`);
        return line;
      }));
    } catch { /* advice only: the form works without it */ }
  }, 350);
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-judge]");
    if (form && event.target.matches("[data-lint]")) judge(form);
  });

  /* --- Fields that only some kinds have. --- */

  function fitKind() {
    const kind = document.querySelector("select[data-kind], input[data-kind]");
    if (!kind) return;
    for (const part of document.querySelectorAll("[data-kinds]")) {
      const fits = part.dataset.kinds.split(" ").includes(kind.value);
      part.hidden = !fits;
    }
  }
  document.addEventListener("change", (event) => { if (event.target.matches("[data-kind]")) fitKind(); });

  /* --- The chart: values under the pointer, or by arrow keys. --- */

  function readings(frame) {
    return [...document.querySelectorAll(`#${frame.dataset.table} tr[data-day]`)]
      .map((row) => ({ day: Number(row.dataset.day), words: row.dataset.words }));
  }
  function read(frame, day) {
    const svg = [...frame.querySelectorAll("svg")].find((one) => one.getBoundingClientRect().width > 0);
    const known = readings(frame).filter((reading) => reading.day <= day).at(-1);
    const readout = document.getElementById(frame.dataset.readout);
    if (!svg || !known) return;
    frame.dataset.at = String(day);
    const { left, right, days, top, bottom } = svg.dataset;
    const x = Number(left) + (Number(right) - Number(left)) * (day + 0.5) / Number(days);
    const line = svg.querySelector(".cursor");
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", top], ["y2", bottom]]) line.setAttribute(name, value);
    line.removeAttribute("hidden");
    const date = new Date(`${frame.dataset.start}T12:00:00Z`);
    date.setUTCDate(date.getUTCDate() + day);
    const said = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
    readout.textContent = `${said}: ${known.words}`;
  }
  document.addEventListener("pointermove", (event) => {
    const frame = event.target instanceof Element ? event.target.closest(".chart-frame") : null;
    if (!frame) return;
    const svg = event.target.closest("svg");
    if (!svg) return;
    const box = svg.getBoundingClientRect();
    const { left, right, days } = svg.dataset;
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    const day = Math.floor((x - Number(left)) / (Number(right) - Number(left)) * Number(days));
    if (day >= 0 && day < Number(days)) read(frame, Math.min(day, Number(frame.dataset.last)));
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.target instanceof Element) || !event.target.matches(".chart-frame")) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7, Home: -1e6, End: 1e6 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const last = Number(event.target.dataset.last);
    const at = Number(event.target.dataset.at ?? last);
    read(event.target, Math.max(0, Math.min(last, at + steps[event.key])));
  });

  /* --- Small things. --- */

  const moments = () => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-moment]")) {
      const seconds = Math.trunc((now - Date.parse(time.dateTime)) / 1000);
      const size = Math.abs(seconds);
      const words = size < 60 ? `${size} s` : size < 3600 ? `${Math.floor(size / 60)} min`
        : size < 172800 ? `${Math.floor(size / 3600)} h` : `${Math.floor(size / 86400)} days`;
      const said = size < 2 ? "now" : seconds > 0 ? `${words} ago` : `in ${words}`;
      if (time.textContent !== said) time.textContent = said;
    }
  };
  setInterval(() => { if (!document.hidden) moments(); }, 1000);

  function fade() {
    for (const notice of notices.querySelectorAll(".notice:not([data-leaving], .notice-bad)")) {
      notice.dataset.leaving = "yes";
      const leave = () => {
        if (notice.matches(":hover, :focus-within")) setTimeout(leave, 2000);
        else notice.remove();
      };
      setTimeout(leave, UNDO_MS);
    }
  }
  function focusError() {
    document.querySelector("[data-first-error]")?.focus();
  }
  function settle() {
    applyFolds();
    fitKind();
    fade();
  }
  // A page in a tracker's frame fetches its inside in its own way and hands it over here.
  document.addEventListener("ladder:fresh", (event) => {
    const had = document.activeElement;
    morph(main, event.detail);
    settle();
    if (had && had !== document.body && !had.isConnected) main.focus({ preventScroll: true });
  });

  settle();
  focusError();
})();
