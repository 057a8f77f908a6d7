/* Suggestions in the sprint overlay: asked for after the page, and never applied by themselves. */
(() => {
  "use strict";

  const el = (id) => document.getElementById(id);

  function suggesting(place, plan, { ask, laid, tryNow }) {
    const suggested = new Map(); // issue -> HTML
    let asked = "";

    async function askSuggestions() {
      if (!("mayChange" in place.dataset)) return;
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
        if (!first || plan.tried.links.has(issue)) continue;
        plan.tryLink(issue, first.dataset.trySuggested, first.dataset.title);
        touched.push(issue);
      }
      if (touched.length) tryNow(touched);
    }

    return { askSuggestions, fillSuggestions };
  }

  window.ladder = { ...window.ladder, planning: { ...window.ladder.planning, suggesting } };
})();
