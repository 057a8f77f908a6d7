/* What is tried out in the sprint overlay: kept here and in the address alone, and shown on its rows. */
(() => {
  "use strict";

  const el = (id) => document.getElementById(id);

  /* `emptied` is called whenever nothing is tried out (any more). */
  function trying(place, emptied) {
    const tried = { out: new Set(), into: new Set(), links: new Map() }; // links: issue -> Map(key result -> title)
    const seen = { team: "", beside: Boolean(el("beside-next") && el("beside-next").checked) };
    const isTrying = () => tried.out.size + tried.into.size + tried.links.size > 0;
    const pairs = () => [...tried.links].flatMap(([issue, aims]) => [...aims.keys()].map((aim) => [issue, aim]));
    const wire = () => ({ out: [...tried.out], into: [...tried.into], links: pairs() });
    const view = () => ({ ...(seen.team && { team: seen.team }), ...(seen.beside && { next: "1" }) });

    function inWords() {
      const parts = new URLSearchParams();
      if (tried.out.size) parts.set("out", [...tried.out].join("."));
      if (tried.into.size) parts.set("in", [...tried.into].join("."));
      if (tried.links.size) parts.set("link", pairs().map(([issue, aim]) => `${issue}~${aim}`).join("."));
      if (seen.beside) parts.set("next", "1");
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
      seen.beside = seen.beside || parts.get("next") === "1";
      if (el("beside-next")) el("beside-next").checked = seen.beside;
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
      if (!shown) emptied();
      el("trying-what").textContent = words || [
        tried.out.size && `${tried.out.size} out`, tried.into.size && `${tried.into.size} in`, pairs().length && `${pairs().length} link${pairs().length === 1 ? "" : "s"}`,
      ].filter(Boolean).join(", ");
      if (effect !== undefined) el("trying-effect").textContent = effect ? `${effect}.` : "";
      if (el("link-for-real")) el("link-for-real").hidden = !tried.links.size;
      if (el("move-for-real")) el("move-for-real").hidden = !(tried.out.size + tried.into.size);
    }

    /* Show on their rows, in the bar and in the address what was just changed. */
    function touch(issues) {
      for (const issue of issues) {
        mark(issue);
        marked.add(issue);
      }
      bar();
      keep();
    }

    function toggle(issue, on) {
      const row = rowsOf(issue)[0];
      const inside = row && row.dataset.inside === "yes";
      const aims = inside ? tried.out : tried.into;
      if (inside ? !on : on) aims.add(issue);
      else aims.delete(issue);
    }

    function dropLink(issue, aim) {
      const aims = tried.links.get(issue);
      if (aims) aims.delete(aim);
      if (aims && !aims.size) tried.links.delete(issue);
    }

    return { adopt, bar, dropLink, inWords, isTrying, keep, markAll, pairs, recall, rowsOf, seen, toggle, touch, tried, tryLink, view, wire };
  }

  window.ladder = { ...window.ladder, planning: { ...window.ladder.planning, trying } };
})();
