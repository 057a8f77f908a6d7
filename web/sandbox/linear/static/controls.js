/* The controls page: every button is one call. */
(() => {
  "use strict";

  const { post, refresh } = window.standIn;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-control]");
    if (!button) return;
    button.disabled = true;
    await post(`/ui/controls/${button.dataset.control}`, JSON.parse(button.dataset.body || "{}"));
    button.disabled = false;
    refresh();
  });
  document.getElementById("register").addEventListener("submit", async (event) => {
    event.preventDefault();
    const url = new FormData(event.target).get("url");
    if (await post("/ui/controls/register", { url })) location.reload();
  });
})();
