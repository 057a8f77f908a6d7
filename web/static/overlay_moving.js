/* Moving in the tracker what was tried out in the sprint overlay, after saying exactly what that will change. */
(() => {
  "use strict";

  const el = (id) => document.getElementById(id);
  const plural = (number) => `${number} issue${number === 1 ? "" : "s"}`;

  /* `plan` is what is tried out, `act` carries out a call. Returns how to close the question. */
  function moving(place, plan, act) {
    const names = (issues) => issues.map((issue) => (plan.rowsOf(issue)[0] ? plan.rowsOf(issue)[0].dataset.name : `issue ${issue}`));
    const sprintOf = new Map(place.dataset.sprints.trim().split(" ").map((pair) => pair.split(":")));

    function close() {
      if (!el("confirm-move")) return;
      el("confirm-move").hidden = true;
      el("move-for-real").setAttribute("aria-expanded", "false");
    }

    function confirmMove() {
      const out = [...plan.tried.out], into = [...plan.tried.into];
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
        if (!open) return close();
        confirmMove();
        el("confirm-move").hidden = false;
        el("move-for-real").setAttribute("aria-expanded", "true");
        el("confirm-no").focus();
        return undefined;
      });
      if (el("confirm-to")) el("confirm-to").addEventListener("change", confirmMove);
      el("confirm-no").addEventListener("click", () => { close(); el("move-for-real").focus(); });
      el("confirm-move").addEventListener("keydown", (event) => {
        if (event.key === "Escape") { close(); el("move-for-real").focus(); }
      });
      el("confirm-yes").addEventListener("click", async (event) => {
        const moves = [];
        const to = el("confirm-to") && el("confirm-to").value ? Number(el("confirm-to").value) : null;
        if (plan.tried.out.size) moves.push({ issues: [...plan.tried.out], sprint: to });
        const homes = new Map();
        for (const issue of plan.tried.into) {
          const home = Number(sprintOf.get(plan.rowsOf(issue)[0] && plan.rowsOf(issue)[0].dataset.connection) || place.dataset.keep.split("-")[0]);
          homes.set(home, [...(homes.get(home) || []), issue]);
        }
        for (const [sprint, issues] of homes) moves.push({ issues, sprint });
        if (await act("move", { moves, what_if: { out: [], into: [], links: plan.pairs() } }, event.currentTarget)) close();
      });
    }

    return close;
  }

  window.ladder = { ...window.ladder, planning: { ...window.ladder.planning, moving } };
})();
