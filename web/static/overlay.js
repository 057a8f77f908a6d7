/* The sprint overlay: tries things out, links in bulk, and keeps itself current. Plain script, no framework.
 *
 * What is tried out lives in the browser alone (overlay_trying.js). The numbers are the server's: every change asks for them in
 * one request, at most one is under way, and only the answer to the latest question is shown. Rows do not move while
 * something is tried out; the server draws every piece of HTML, which is laid over what is there (panel_morph.js).
 */
(() => {
  "use strict";

  const POLL_MS = 1000;
  const SLOWEST_MS = 30000;
  const UNDO_MS = 10000;
  const PATIENCE_MS = 15000;

  const el = (id) => document.getElementById(id);
  const { morphChildren } = window.ladder;
  const { Trouble, ask: askAt, bridge, linking, moving, said, suggesting, trying } = window.ladder.planning;

  if (bridge() && bridge().theming) bridge().theming.initializeTheming();

  function start(place) {
    const plan = trying(place, () => closeMoving());
    const ask = (path, more = {}) => askAt(place, path, { ...more, query: { ...plan.view(), ...more.query } });
    const mayChange = "mayChange" in place.dataset;
    const closeMoving = moving(place, plan, act);
    const { chosen, forgetAim, needSelection } = linking(place, plan, { act, ask, hear, laid, notify, tryNow });
    const { askSuggestions, fillSuggestions } = suggesting(place, plan, { ask, laid, tryNow });

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
          const given = await ask("what-if", { json: { what_if: plan.wire(), whole }, signal: AbortSignal.timeout(PATIENCE_MS) });
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
      plan.adopt(done.what_if);
      for (const total of place.querySelectorAll("[data-total]")) {
        const words = done.totals[total.dataset.total];
        if (words !== undefined && total.textContent !== words) total.textContent = words;
      }
      if (done.issues !== undefined) {
        chosen.settle();
        fillSuggestions();
      }
      plan.markAll(done.issues !== undefined);
      plan.bar(done.trying, done.effect);
      plan.keep();
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
        if (given.status >= 400) trouble((await said(given)) || "This plan is not to be had any more.", "Reload", () => location.reload());
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
        if (fails > 1 || plan.isTrying()) trouble(error.words || `Ladder has not answered since ${at}. The numbers may be old; trying again.`, "Try now", () => { recount({ whole: true }); schedule(POLL_MS); });
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
        const given = await ask(path, { json: { what_if: plan.wire(), ...json } });
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
        recount(); // what was being asked when this began has been passed over
        return false;
      } finally {
        trigger.removeAttribute("aria-busy");
      }
    }

    el("notice-undo").addEventListener("click", (event) => act("undo", { undo: event.currentTarget.dataset.undo }, event.currentTarget));
    el("notice-close").addEventListener("click", dismiss);
    el("planning-notice").addEventListener("keydown", (event) => { if (event.key === "Escape") dismiss(); });

    el("reset").addEventListener("click", () => {
      plan.adopt({ out: [], into: [], links: [] });
      plan.markAll();
      plan.bar();
      plan.keep();
      recount();
      el("issues-title").focus();
    });

    if (el("link-for-real")) {
      el("link-for-real").addEventListener("click", async (event) => {
        await act("link", { pairs: plan.pairs() }, event.currentTarget);
      });
    }

    function tryNow(issues) {
      plan.touch(issues);
      recount();
    }

    el("toggle-selected").addEventListener("click", () => {
      if (!needSelection()) return;
      const rows = chosen.rowsChosen().filter((row) => !row.querySelector(".in-sprint").disabled);
      const on = !rows.every((row) => row.querySelector(".in-sprint").checked);
      const issues = new Set(rows.map((row) => Number(row.dataset.issue)));
      for (const issue of issues) plan.toggle(issue, on);
      tryNow(issues);
    });
    el("select-none").addEventListener("click", () => { chosen.clear(); if (mayChange) forgetAim(); });

    el("issues").addEventListener("change", (event) => {
      if (!event.target.matches(".in-sprint")) return;
      const issue = Number(event.target.closest(".row").dataset.issue);
      plan.toggle(issue, event.target.checked);
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
        plan.tryLink(issue, dataset.trySuggested, dataset.title);
        tryNow([issue]);
        row.querySelector("[data-drop-tried]").focus();
      } else if ("dropTried" in dataset) {
        plan.dropLink(issue, dataset.dropTried);
        tryNow([issue]);
        row.querySelector(".pick").focus();
      }
    });

    // ---- view ----------------------------------------------------------------------------------------------------

    el("team").addEventListener("change", async (event) => {
      plan.seen.team = event.target.value;
      if (mayChange && plan.seen.team) {
        try {
          const given = await ask("team", { json: { team_id: plan.seen.team, what_if: plan.wire() } });
          if (!given.ok) throw new Trouble("refused", await said(given));
          plan.seen.team = ""; // it is the board's own now
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
        plan.seen.beside = event.target.checked;
        if (!plan.seen.beside) plan.tried.into.clear();
        plan.keep();
        recount({ whole: true, quiet: true }).then(askSuggestions);
      });
    }

    function address() {
      const words = plan.inWords();
      return place.dataset.share + (words ? `#${words}` : "");
    }

    el("copy-address").addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(address());
        notify(plan.isTrying() ? "Address copied, with what is tried out." : "Address copied.");
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

    plan.recall();
    stamp();
    if (plan.isTrying() || plan.seen.beside) {
      plan.markAll();
      plan.bar();
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
