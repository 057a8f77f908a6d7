/* The sprint overlay: tries things out, links in bulk, and keeps itself current. Plain script, no framework.
 *
 * What is tried out lives here and in the address alone. The numbers are the server's: every change asks for them in
 * one request, at most one is under way, and only the answer to the latest question is shown. Rows do not move while
 * something is tried out; the server draws every piece of HTML, which is laid over what is there (panel_morph.js).
 */
(() => {
  "use strict";

  const POLL_MS = 1500;
  const SLOWEST_MS = 30000;
  const UNDO_MS = 10000;
  const TYPING_MS = 140;
  const PATIENCE_MS = 15000;

  const el = (id) => document.getElementById(id);
  const { morphChildren } = window.ladder;
  const { Trouble, ask: askAt, bridge, said, selection } = window.ladder.planning;
  const plural = (number, word = "issue") => `${number} ${word}${number === 1 ? "" : "s"}`;

  if (bridge() && bridge().theming) bridge().theming.initializeTheming();

  function start(place) {
    const ask = (path, more = {}) => askAt(place, path, { ...more, query: { ...view(), ...more.query } });
    const mayChange = "mayChange" in place.dataset;

    // ---- what is tried out -------------------------------------------------------------------------------------

    const tried = { out: new Set(), into: new Set(), links: new Map() }; // links: issue -> Map(key result -> title)
    let team = "";
    let beside = Boolean(el("beside-next") && el("beside-next").checked);
    const isTrying = () => tried.out.size + tried.into.size + tried.links.size > 0;
    const pairs = () => [...tried.links].flatMap(([issue, aims]) => [...aims.keys()].map((aim) => [issue, aim]));
    const wire = () => ({ out: [...tried.out], into: [...tried.into], links: pairs() });
    const view = () => ({ ...(team && { team }), ...(beside && { next: "1" }) });

    function inWords() {
      const parts = new URLSearchParams();
      if (tried.out.size) parts.set("out", [...tried.out].join("."));
      if (tried.into.size) parts.set("in", [...tried.into].join("."));
      if (tried.links.size) parts.set("link", pairs().map(([issue, aim]) => `${issue}~${aim}`).join("."));
      if (beside) parts.set("next", "1");
      return parts.toString();
    }

    const KEEP = `ladder-plan-${place.dataset.keep}`;
    function keep() {
      const words = inWords();
      if (place.dataset.door === "page") {
        history.replaceState(null, "", words ? `#${words}` : location.pathname + location.search);
      } else {
        try { sessionStorage.setItem(KEEP, words); } catch { /* a browser that keeps nothing for frames */ }
      }
    }

    function recall() {
      let words = location.hash.slice(1);
      if (place.dataset.door !== "page") {
        try { words = sessionStorage.getItem(KEEP) || ""; } catch { words = ""; }
      }
      const parts = new URLSearchParams(words);
      const ids = (name) => (parts.get(name) || "").split(".").map(Number).filter((id) => Number.isSafeInteger(id) && id > 0);
      tried.out = new Set(ids("out"));
      tried.into = new Set(ids("in"));
      tried.links = new Map();
      for (const pair of (parts.get("link") || "").split(".")) {
        const [issue, aim] = pair.split("~");
        if (Number(issue) > 0 && aim) tryLink(Number(issue), aim, "");
      }
      beside = beside || parts.get("next") === "1";
      if (el("beside-next")) el("beside-next").checked = beside;
    }

    function tryLink(issue, aim, title) {
      if (!tried.links.has(issue)) tried.links.set(issue, new Map());
      tried.links.get(issue).set(aim, title);
    }

    function adopt(kept) {
      tried.out = new Set(kept.out);
      tried.into = new Set(kept.into);
      const before = tried.links;
      tried.links = new Map();
      for (const [issue, aim] of kept.links) tryLink(issue, aim, (before.get(issue) && before.get(issue).get(aim)) || "");
    }

    const rowsOf = (issue) => place.querySelectorAll(`.row[data-issue="${issue}"]`);

    /* Show on its rows what is tried with one issue. */
    function mark(issue) {
      for (const row of rowsOf(issue)) {
        const inside = row.dataset.inside === "yes";
        const on = inside ? !tried.out.has(issue) : tried.into.has(issue);
        const aims = tried.links.get(issue);
        // Touch only what differs: with hundreds of rows every idle write is paid for in layout.
        row.querySelector(".in-sprint").checked = on;
        const word = row.querySelector(".tick span");
        const said = inside && !on ? "out" : "in";
        if (word.textContent !== said) word.textContent = said;
        if (row.classList.contains("tried-out") !== (inside && !on)) row.classList.toggle("tried-out");
        if (row.classList.contains("tried-in") !== (!inside && on)) row.classList.toggle("tried-in");
        const chips = row.querySelector(".tried");
        if (aims || chips.firstChild) chips.replaceChildren(...(aims ? [...aims].map(([aim, title]) => chip(row, issue, aim, title)) : []));
        const shown = row.querySelector(".suggested");
        if (shown && shown.hidden !== Boolean(aims)) shown.hidden = Boolean(aims);
      }
    }

    function chip(row, issue, aim, title) {
      const named = el(`line-title-${aim}`);
      const words = title || (named ? named.textContent : "a key result");
      const made = document.createElement("span");
      made.className = "chip";
      const drop = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "×" });
      drop.dataset.dropTried = aim;
      drop.setAttribute("aria-label", `Stop trying ${row.dataset.name} for ${words}`);
      made.append(`trying: ${words} `, drop);
      return made;
    }

    let marked = new Set(); // issues whose rows show something tried

    /* Bring the rows in line with what is tried; `fresh` after they were drawn anew. */
    function markAll(fresh = false) {
      const touched = fresh ? [...place.querySelectorAll(".row")].map((row) => Number(row.dataset.issue)) : marked;
      const now = new Set([...tried.out, ...tried.into, ...tried.links.keys()]);
      for (const issue of new Set([...touched, ...now])) mark(issue);
      marked = now;
    }

    function bar(words, effect) {
      const shown = isTrying();
      el("trying").hidden = !shown;
      place.classList.toggle("is-trying", shown);
      if (!shown && el("confirm-move")) closeConfirm();
      el("trying-what").textContent = words || [
        tried.out.size && `${tried.out.size} out`, tried.into.size && `${tried.into.size} in`, pairs().length && plural(pairs().length, "link"),
      ].filter(Boolean).join(", ");
      if (effect !== undefined) el("trying-effect").textContent = effect ? `${effect}.` : "";
      if (el("link-for-real")) el("link-for-real").hidden = !tried.links.size;
      if (el("move-for-real")) el("move-for-real").hidden = !(tried.out.size + tried.into.size);
    }

    // ---- asking for the numbers --------------------------------------------------------------------------------

    let etag = place.dataset.etag;
    let turn = 0; // grows with every change: an answer that was asked for before it is old news
    let under = null; // the question under way
    let next = null; // the one to ask after it

    /* Ask what the plan looks like now; `whole` also asks for the rows. Resolves when the answer is on the screen. */
    function recount({ whole = false, quiet = false } = {}) {
      turn += 1;
      next = { whole: whole || Boolean(next && next.whole), quiet: quiet && (!next || next.quiet) };
      if (!under) under = answer().finally(() => { under = null; });
      return under;
    }

    async function answer() {
      while (next) {
        const mine = turn;
        const { whole, quiet } = next;
        next = null;
        place.classList.add("is-counting");
        try {
          const given = await ask("what-if", { json: { what_if: wire(), whole }, signal: AbortSignal.timeout(PATIENCE_MS) });
          if (!given.ok) throw new Trouble("refused", await said(given));
          const done = await given.json();
          if (mine === turn) lay(done, { quiet });
          else if (whole) next = { whole: true, quiet }; // a change came in between: the rows are still to be asked for
          over();
        } catch (error) {
          complain(error);
          next = null;
        }
      }
      place.classList.remove("is-counting");
    }

    function lay(done, { quiet = false } = {}) {
      const before = new Map([...place.querySelectorAll("[data-said]")].map((line) => [line.id, line.dataset.said]));
      const held = document.activeElement;
      const group = held && held.closest && held.closest(".group");
      laid(el("summary"), done.summary);
      if (done.issues !== undefined) laid(el("issues"), done.issues);
      etag = done.etag || etag; // numbers alone say nothing of the rows
      adopt(done.what_if);
      for (const total of place.querySelectorAll("[data-total]")) {
        const words = done.totals[total.dataset.total];
        if (words !== undefined && total.textContent !== words) total.textContent = words;
      }
      if (done.issues !== undefined) {
        chosen.settle();
        fillSuggestions();
      }
      markAll(done.issues !== undefined);
      bar(done.trying, done.effect);
      keep();
      if (held && held !== document.body && !held.isConnected) {
        ((group && group.isConnected && group.querySelector("h3")) || el("issues-title") || el("top")).focus();
      }
      if (quiet) {
        hear([...place.querySelectorAll("[data-said]")].filter((line) => before.get(line.id) !== line.dataset.said).slice(0, 3).map((line) => line.dataset.said));
      } else if (done.trying) {
        hear([`Trying out ${done.trying}: ${done.effect}`]);
      }
    }

    function laid(old, html) {
      morphChildren(old, new DOMParser().parseFromString(`<div>${html}</div>`, "text/html").body.firstElementChild);
    }

    function hear(words) {
      if (words.length) el("said").textContent = words.join(". ");
    }

    function toggle(issue, on) {
      const row = rowsOf(issue)[0];
      const aims = row && row.dataset.inside === "yes" ? tried.out : tried.into;
      const add = row && row.dataset.inside === "yes" ? !on : on;
      if (add) aims.add(issue);
      else aims.delete(issue);
    }

    // ---- live --------------------------------------------------------------------------------------------------

    let timer = 0;
    let fails = 0;
    let ended = false;
    let since = null;

    function schedule(delay) {
      clearTimeout(timer);
      if (!ended && !document.hidden) timer = setTimeout(look, delay);
    }

    async function look() {
      try {
        const given = await ask("live", { headers: { "If-None-Match": etag }, signal: AbortSignal.timeout(PATIENCE_MS) });
        over();
        if (given.status === 200) {
          const told = await given.json();
          if (told.etag !== etag) {
            await recount({ whole: true, quiet: true });
            askSuggestions();
          }
        }
        schedule(given.status < 400 ? POLL_MS : SLOWEST_MS);
      } catch (error) {
        complain(error);
        schedule(Math.min(SLOWEST_MS, POLL_MS * 2 ** fails) * (0.75 + Math.random() / 2));
      }
    }
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : schedule(0)));

    function complain(error) {
      if (!error.kind && error.name !== "TimeoutError" && error.name !== "AbortError") throw error;
      fails += 1;
      if (error.kind === "session") {
        ended = true;
        trouble(place.dataset.door === "jira" ? "Your session here has ended. Close this and open it again." : "You are not signed in any more.", "Reload", () => location.reload());
      } else if (error.kind === "refused") {
        trouble(error.words || "That is not possible. Reload the page.", "Reload", () => location.reload());
      } else {
        since = since || new Date();
        const at = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
        if (fails > 1 || isTrying()) trouble(error.words || `Ladder has not answered since ${at}. The numbers may be old; trying again.`, "Try now", () => { recount({ whole: true }); schedule(POLL_MS); });
      }
    }

    function trouble(words, step, go) {
      if (el("trouble-words").textContent !== words) el("trouble-words").textContent = words;
      el("trouble-step").textContent = step;
      el("trouble-step").onclick = go;
      el("trouble").hidden = false;
    }

    function over() {
      fails = 0;
      since = null;
      if (!el("trouble").hidden && el("trouble").contains(document.activeElement)) el("top").focus();
      el("trouble").hidden = true;
    }

    // ---- doing it for real -------------------------------------------------------------------------------------

    let fading = 0;
    function notify(words, { bad = false, undo = "" } = {}) {
      const notice = el("planning-notice");
      clearTimeout(fading);
      notice.classList.toggle("notice-bad", bad);
      el("notice-words").textContent = words;
      el("notice-undo").hidden = !undo;
      el("notice-undo").dataset.undo = undo;
      notice.hidden = false;
      // A refusal stays until it was read; what was done goes when it can't be undone any more.
      if (!bad) fading = setTimeout(dismiss, UNDO_MS);
      hear([undo ? `${words} Undo is possible for ten seconds.` : words]);
    }

    let comeBack = null;
    function dismiss() {
      clearTimeout(fading);
      const focused = el("planning-notice").contains(document.activeElement);
      el("planning-notice").hidden = true;
      if (focused) ((comeBack && comeBack.isConnected && comeBack) || el("issues-title") || el("top")).focus();
    }

    /* Carry out one action; `trigger` is what was pressed. Returns whether it went through. */
    async function act(path, json, trigger) {
      if (trigger.getAttribute("aria-busy") === "true") return false;
      trigger.setAttribute("aria-busy", "true");
      turn += 1;
      try {
        const given = await ask(path, { json: { what_if: wire(), ...json } });
        if (!given.ok) throw new Trouble("refused", (await said(given)) || "That did not work. Reload the page and try again.");
        const done = await given.json();
        turn += 1;
        const held = document.activeElement;
        lay(done, { quiet: true });
        notify(done.words, { undo: done.undo });
        const lost = !held || !held.isConnected || held === document.body || held.closest("[hidden]") || held.id === "issues-title" || held.matches("h3");
        comeBack = held && held.isConnected && !held.closest("[hidden]") ? held : null;
        if (lost && done.undo) el("notice-undo").focus();
        else if (lost) el("issues-title").focus();
        schedule(POLL_MS);
        askSuggestions();
        return true;
      } catch (error) {
        if (error.kind === "session") complain(error);
        else if (error.kind) notify(error.words || "Ladder does not answer just now. Nothing was changed; please try again.", { bad: true });
        else throw error;
        return false;
      } finally {
        trigger.removeAttribute("aria-busy");
      }
    }

    el("notice-undo").addEventListener("click", (event) => act("undo", { undo: event.currentTarget.dataset.undo }, event.currentTarget));
    el("notice-close").addEventListener("click", dismiss);
    el("planning-notice").addEventListener("keydown", (event) => { if (event.key === "Escape") dismiss(); });

    el("reset").addEventListener("click", () => {
      adopt({ out: [], into: [], links: [] });
      markAll();
      bar();
      keep();
      recount();
      el("issues-title").focus();
    });

    if (el("link-for-real")) {
      el("link-for-real").addEventListener("click", async (event) => {
        await act("link", { pairs: pairs() }, event.currentTarget);
      });
    }

    // ---- moving in the tracker ---------------------------------------------------------------------------------

    const names = (issues) => issues.map((issue) => (rowsOf(issue)[0] ? rowsOf(issue)[0].dataset.name : `issue ${issue}`));
    const sprintOf = new Map(place.dataset.sprints.trim().split(" ").map((pair) => pair.split(":")));

    function closeConfirm() {
      el("confirm-move").hidden = true;
      el("move-for-real").setAttribute("aria-expanded", "false");
    }

    function confirmMove() {
      const out = [...tried.out], into = [...tried.into];
      const to = el("confirm-to") && el("confirm-to").value ? el("confirm-to").selectedOptions[0].textContent : "out of the sprint, to the backlog";
      const lines = [];
      if (out.length) lines.push(`${names(out).join(", ")}: ${to}`);
      if (into.length) lines.push(`${names(into).join(", ")}: into ${place.dataset.title}`);
      el("confirm-words").textContent = `This changes ${plural(out.length + into.length)} in ${place.dataset.tracker}, for everybody:`;
      el("confirm-list").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
      el("confirm-yes").textContent = `Move ${plural(out.length + into.length)}`;
      if (el("confirm-to-label")) el("confirm-to-label").hidden = !out.length;
    }

    if (el("move-for-real")) {
      el("move-for-real").addEventListener("click", () => {
        const open = el("confirm-move").hidden;
        if (!open) return closeConfirm();
        confirmMove();
        el("confirm-move").hidden = false;
        el("move-for-real").setAttribute("aria-expanded", "true");
        el("confirm-no").focus();
        return undefined;
      });
      if (el("confirm-to")) el("confirm-to").addEventListener("change", confirmMove);
      el("confirm-no").addEventListener("click", () => { closeConfirm(); el("move-for-real").focus(); });
      el("confirm-move").addEventListener("keydown", (event) => {
        if (event.key === "Escape") { closeConfirm(); el("move-for-real").focus(); }
      });
      el("confirm-yes").addEventListener("click", async (event) => {
        const moves = [];
        const to = el("confirm-to") && el("confirm-to").value ? Number(el("confirm-to").value) : null;
        if (tried.out.size) moves.push({ issues: [...tried.out], sprint: to });
        const homes = new Map();
        for (const issue of tried.into) {
          const home = Number(sprintOf.get(rowsOf(issue)[0] && rowsOf(issue)[0].dataset.connection) || place.dataset.keep.split("-")[0]);
          homes.set(home, [...(homes.get(home) || []), issue]);
        }
        for (const [sprint, issues] of homes) moves.push({ issues, sprint });
        if (await act("move", { moves, what_if: { out: [], into: [], links: pairs() } }, event.currentTarget)) closeConfirm();
      });
    }

    // ---- selection, linking, not goal work ---------------------------------------------------------------------

    let aim = null; // the key result that was found

    const chosen = selection(el("issues"), () => {
      const count = chosen.issues().length;
      el("selection-count").textContent = count ? `${count} selected` : "Select issues to link them";
      el("selection").classList.toggle("has-selection", count > 0);
      for (const id of ["link-selected", "try-selected"]) {
        if (el(id)) el(id).hidden = !aim;
      }
      if (el("link-selected")) el("link-selected").textContent = count ? `Link ${plural(count)}` : "Link";
    });

    function needSelection() {
      if (chosen.issues().length) return true;
      notify("Select issues first, with the box at the start of each line.", { bad: true });
      return false;
    }

    function forgetAim() {
      aim = null;
      const words = el("search-words");
      if (words) words.value = "";
      hideFound();
      for (const id of ["link-selected", "try-selected"]) if (el(id)) el(id).hidden = true;
    }

    let typing = 0;
    let searching = null;

    function hideFound() {
      const words = el("search-words");
      if (!words) return;
      clearTimeout(typing);
      el("search-found").hidden = true;
      el("search-none").hidden = true;
      words.setAttribute("aria-expanded", "false");
      words.removeAttribute("aria-activedescendant");
    }

    async function find() {
      const words = el("search-words");
      if (searching) searching.abort();
      searching = new AbortController();
      const none = (text) => { el("search-none").textContent = text; el("search-none").hidden = !text; };
      try {
        const given = await ask("search", { query: { q: words.value }, signal: searching.signal });
        if (!given.ok) throw new Trouble("refused", await said(given));
        laid(el("search-found"), await given.text());
        const count = el("search-found").querySelectorAll("[role=option]").length;
        el("search-found").hidden = !count;
        el("search-found").scrollTop = 0;
        words.setAttribute("aria-expanded", String(count > 0));
        words.removeAttribute("aria-activedescendant");
        none(count ? "" : words.value.trim() ? "No open key result has these words. Try fewer or other ones." : "There is no open key result to link to.");
        hear([count ? `${plural(count, "key result")} found` : el("search-none").textContent]);
      } catch (error) {
        if (error.name === "AbortError") return;
        if (!error.kind) throw error;
        none(error.words || "Ladder does not answer just now. Type again to retry.");
      }
    }

    function step(by) {
      const options = [...el("search-found").querySelectorAll("[role=option]")];
      if (!options.length) return;
      const now = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
      const then = now < 0 ? (by > 0 ? 0 : options.length - 1) : (now + by + options.length) % options.length;
      options.forEach((option, at) => option.setAttribute("aria-selected", String(at === then)));
      options[then].scrollIntoView({ block: "nearest" });
      el("search-words").setAttribute("aria-activedescendant", options[then].id);
    }

    function take(option) {
      aim = { id: option.dataset.keyResult, title: option.dataset.title };
      el("search-words").value = aim.title;
      hideFound();
      el("link-selected").hidden = el("try-selected").hidden = false;
      el("link-selected").focus();
    }

    if (mayChange) {
      const words = el("search-words");
      words.addEventListener("click", () => { if (el("search-found").hidden) { if (aim) words.select(); find(); } });
      words.addEventListener("input", () => { aim = null; clearTimeout(typing); typing = setTimeout(find, TYPING_MS); });
      words.addEventListener("keydown", (event) => {
        const open = !el("search-found").hidden;
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
          event.preventDefault();
          if (open) step(event.key === "ArrowDown" ? 1 : -1);
          else find();
        } else if (event.key === "Enter") {
          event.preventDefault();
          const picked = open && el("search-found").querySelector("[aria-selected=true]");
          if (picked) take(picked);
        } else if (event.key === "Escape" && (open || words.value)) {
          event.stopPropagation();
          forgetAim();
        }
      });
      words.addEventListener("focusout", (event) => { if (!event.relatedTarget || !event.relatedTarget.closest(".linker")) hideFound(); });
      // A press on an option must not take the focus out of the field before the click arrives.
      el("search-found").addEventListener("mousedown", (event) => event.preventDefault());
      el("search-found").addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) take(option);
      });
      el("link-selected").addEventListener("click", async (event) => {
        if (!aim || !needSelection()) return;
        if (await act("link", { pairs: chosen.issues().map((issue) => [issue, aim.id]) }, event.currentTarget)) done();
      });
      el("try-selected").addEventListener("click", () => {
        if (!aim || !needSelection()) return;
        for (const issue of chosen.issues()) tryLink(issue, aim.id, aim.title);
        tryNow(chosen.issues());
        done();
      });
      el("not-goal-work").addEventListener("click", (event) => showKinds(event.currentTarget.getAttribute("aria-expanded") !== "true"));
      el("kinds").addEventListener("keydown", (event) => {
        if (event.key === "Escape") { showKinds(false); el("not-goal-work").focus(); }
      });
      el("kinds-list").addEventListener("click", async (event) => {
        const button = event.target.closest("[data-declare]");
        if (!button || !needSelection()) return;
        if (await act("not-goal-work", { issues: chosen.issues(), category: button.dataset.declare }, button)) { showKinds(false); done(); }
      });
    }

    function showKinds(open) {
      el("kinds-list").hidden = !open;
      el("not-goal-work").setAttribute("aria-expanded", String(open));
      if (open) el("kinds-list").querySelector("button").focus();
    }

    function done() {
      const held = document.activeElement;
      chosen.clear();
      forgetAim();
      if (held && held.closest("[hidden]")) (el("planning-notice").hidden || el("notice-undo").hidden ? el("issues-title") : el("notice-undo")).focus();
    }

    function tryNow(issues) {
      for (const issue of issues) {
        mark(issue);
        marked.add(issue);
      }
      bar(undefined);
      keep();
      recount();
    }

    el("toggle-selected").addEventListener("click", () => {
      if (!needSelection()) return;
      const rows = chosen.rowsChosen().filter((row) => !row.querySelector(".in-sprint").disabled);
      const on = !rows.every((row) => row.querySelector(".in-sprint").checked);
      const issues = new Set(rows.map((row) => Number(row.dataset.issue)));
      for (const issue of issues) toggle(issue, on);
      tryNow(issues);
    });
    el("select-none").addEventListener("click", () => { chosen.clear(); if (mayChange) forgetAim(); });

    el("issues").addEventListener("change", (event) => {
      if (!event.target.matches(".in-sprint")) return;
      const issue = Number(event.target.closest(".row").dataset.issue);
      toggle(issue, event.target.checked);
      tryNow([issue]);
    });

    el("issues").addEventListener("click", (event) => {
      const pressed = event.target.closest("button");
      if (!pressed) return;
      const { dataset } = pressed;
      const row = pressed.closest(".row");
      const issue = row && Number(row.dataset.issue);
      if ("fold" in dataset) {
        const rows = el(pressed.getAttribute("aria-controls"));
        rows.hidden = !rows.hidden;
        pressed.setAttribute("aria-expanded", String(!rows.hidden));
      } else if ("pickAll" in dataset) {
        hear([`${chosen.pickGroup(pressed.closest(".group"))} selected`]);
      } else if ("unlink" in dataset) act("unlink", { links: [dataset.unlink] }, pressed);
      else if ("takeBack" in dataset) act("not-goal-work", { issues: [issue], category: null }, pressed);
      else if ("linkSuggested" in dataset) act("link", { pairs: [[issue, dataset.linkSuggested]] }, pressed);
      else if ("trySuggested" in dataset) {
        tryLink(issue, dataset.trySuggested, dataset.title);
        tryNow([issue]);
        row.querySelector("[data-drop-tried]").focus();
      } else if ("dropTried" in dataset) {
        const aims = tried.links.get(issue);
        if (aims) aims.delete(dataset.dropTried);
        if (aims && !aims.size) tried.links.delete(issue);
        tryNow([issue]);
        row.querySelector(".pick").focus();
      }
    });

    // ---- suggestions: asked for after the page, never applied by themselves -------------------------------------

    const suggested = new Map(); // issue -> HTML
    let asked = "";

    async function askSuggestions() {
      if (!mayChange) return;
      const open = [...new Set([...place.querySelectorAll("[data-unlinked]")].map((row) => row.dataset.issue))].sort().join();
      if (!open || open === asked) return void place.classList.remove("is-asking");
      asked = open;
      try {
        const given = await ask("suggestions", { json: {} });
        if (!given.ok) return;
        suggested.clear();
        for (const [issue, html] of Object.entries((await given.json()).suggestions)) suggested.set(issue, html);
        fillSuggestions();
      } catch (error) {
        asked = ""; // suggestions are a help, not a duty: without them the page is whole, and the next change asks again
        if (!error.kind) throw error;
      } finally {
        place.classList.remove("is-asking");
      }
    }

    function fillSuggestions() {
      let count = 0;
      for (const row of place.querySelectorAll("[data-unlinked]")) {
        const html = suggested.get(row.dataset.issue);
        if (!html) continue;
        count += 1;
        const box = row.querySelector(".suggested");
        if (!box.firstElementChild) {
          laid(box, html);
          for (const button of box.querySelectorAll("button")) button.setAttribute("aria-label", `${button.textContent} ${row.dataset.name} ${button.dataset.linkSuggested ? "to" : "out for"} ${button.dataset.title}`);
        }
      }
      const state = el("suggest-all");
      if (!state) return;
      if (!count) state.replaceChildren();
      if (count && !state.firstElementChild) {
        const all = Object.assign(document.createElement("button"), { type: "button", className: "small", textContent: "Try all suggestions" });
        all.addEventListener("click", tryAll);
        state.replaceChildren(all);
      }
    }

    function tryAll() {
      const touched = [];
      for (const row of place.querySelectorAll("[data-unlinked]")) {
        const first = row.querySelector("[data-try-suggested]");
        const issue = Number(row.dataset.issue);
        if (!first || tried.links.has(issue)) continue;
        tryLink(issue, first.dataset.trySuggested, first.dataset.title);
        touched.push(issue);
      }
      if (touched.length) tryNow(touched);
    }

    // ---- view ----------------------------------------------------------------------------------------------------

    el("team").addEventListener("change", async (event) => {
      team = event.target.value;
      if (mayChange && team) {
        try {
          const given = await ask("team", { json: { team_id: team, what_if: wire() } });
          if (!given.ok) throw new Trouble("refused", await said(given));
          team = ""; // it is the board's own now
          lay(await given.json(), { quiet: true });
          return;
        } catch (error) {
          if (!error.kind) throw error;
          if (error.words) notify(error.words, { bad: true });
        }
      }
      recount({ whole: true });
    });

    if (el("beside-next")) {
      el("beside-next").addEventListener("change", (event) => {
        beside = event.target.checked;
        if (!beside) tried.into.clear();
        keep();
        recount({ whole: true, quiet: true }).then(askSuggestions);
      });
    }

    function address() {
      const words = inWords();
      return place.dataset.share + (words ? `#${words}` : "");
    }

    el("copy-address").addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(address());
        notify(isTrying() ? "Address copied, with what is tried out." : "Address copied.");
      } catch {
        notify(`Copy it from here: ${address()}`, { bad: true }); // a frame may have no clipboard
      }
    });

    function stamp() {
      const now = new Date();
      try {
        el("printed-at").textContent = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: place.dataset.zone }).format(now);
      } catch {
        el("printed-at").textContent = now.toLocaleString();
      }
    }
    window.addEventListener("beforeprint", stamp);
    el("print").addEventListener("click", () => { stamp(); window.print(); });

    /* Open one of Ladder's own pages: a one-time sign-in link, in a tab opened at once so that no pop-up blocker steps in. */
    place.addEventListener("click", async (event) => {
      const pressed = event.target.closest("button[data-open]");
      if (!pressed) return;
      const tab = window.open("about:blank", "_blank");
      const url = new URL(pressed.id === "open-page" ? address() : pressed.dataset.open, place.dataset.share);
      try {
        const given = await ask("open", { json: { to: url.pathname + url.search + url.hash } });
        if (!given.ok) throw new Trouble("refused", await said(given));
        const told = await given.json();
        if (!tab) throw new Trouble("refused", "Your browser blocked the new tab. Allow pop-ups for this site and try again.");
        tab.opener = null;
        tab.location.replace(told.url);
      } catch (error) {
        if (tab) tab.close();
        if (!error.kind) throw error;
        notify(error.words || "Ladder does not answer just now. Please try again.", { bad: true });
      }
    });

    recall();
    stamp();
    if (isTrying() || beside) {
      markAll();
      bar();
      recount({ whole: true, quiet: true }).then(askSuggestions);
    } else {
      askSuggestions();
    }
    schedule(POLL_MS);
  }

  /* Where no sprint could be chosen for the person: the list, each opened in place. */
  function offer(choice) {
    choice.addEventListener("click", async (event) => {
      const pressed = event.target.closest("[data-sprint]");
      if (!pressed) return;
      try {
        const given = await askAt(choice, "chosen", { query: { sprint: pressed.dataset.sprint } });
        if (!given.ok) throw new Trouble("refused", await said(given));
        const inside = new DOMParser().parseFromString(`<main>${await given.text()}</main>`, "text/html").body.firstElementChild;
        el("main").replaceChildren(...[...inside.childNodes].map((node) => document.importNode(node, true)));
        el("top").focus();
        start(el("planning"));
      } catch (error) {
        if (!error.kind) throw error;
        el("choice-trouble").textContent = error.words || "Ladder does not answer just now. Please try again.";
        el("choice-trouble").hidden = false;
      }
    });
  }

  if (el("planning")) start(el("planning"));
  else if (el("choice")) offer(el("choice"));
})();
