/* Saved queries of a board: what was wrong is said in place, what was right leads back to the board. */
(() => {
  "use strict";

  const form = document.getElementById("board-queries");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("queries-problem");
    const answer = await fetch(`/ui/boards/${form.dataset.project}/queries`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
    });
    if (answer.ok) return location.assign(`/board/${form.dataset.project}`);
    problem.textContent = (await answer.json()).message;
    problem.hidden = false;
    return undefined;
  });
})();
