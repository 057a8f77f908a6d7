/* Linking the chosen issues of the sprint overlay to a key result that is searched for, or declaring them no goal work. */
(() => {
  "use strict";

  const TYPING_MS = 140;
  const el = (id) => document.getElementById(id);
  const { Trouble, said, selection } = window.ladder.planning;
  const plural = (number, word = "issue") => `${number} ${word}${number === 1 ? "" : "s"}`;

  /* Returns the selection, and what the rest of the page needs to know of it. */
  function linking(place, plan, { act, ask, hear, laid, notify, tryNow }) {
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

    if ("mayChange" in place.dataset) {
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
        for (const issue of chosen.issues()) plan.tryLink(issue, aim.id, aim.title);
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

    return { chosen, forgetAim, needSelection };
  }

  window.ladder = { ...window.ladder, planning: { ...window.ladder.planning, linking } };
})();
