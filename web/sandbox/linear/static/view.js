/* A view: it can be deleted. */
(() => {
  "use strict";

  const { post } = window.standIn;
  const { view, team } = document.body.dataset;
  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-delete-view]") && (await post(`/ui/views/${view}/delete`, {}))) {
      location.assign(`/team/${team}`);
    }
  });
})();
