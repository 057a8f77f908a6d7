/* The issue view: fields save as they change; the side column can be made wider or narrower. */
(() => {
  "use strict";

  const { post, refresh, say, flag } = window.standIn;
  const issue = document.body.dataset.issue;

  async function save(name, body, words) {
    const done = await post(`/ui/issues/${issue}/${name}`, body);
    if (document.activeElement?.matches("input, select, textarea")) document.activeElement.blur();
    await refresh();
    if (done) say(words);
    return done;
  }

  document.addEventListener("change", (event) => {
    const field = event.target.closest("[data-field]");
    if (!field) return;
    const name = field.dataset.field;
    if (name === "status") {
      const [status, resolution] = field.value.split("|");
      save("transition", { status, resolution: resolution || null }, `Status is now ${status}.`);
    } else {
      save(name, { [field.name]: field.value }, "Saved.");
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input[data-field]")) event.target.blur();
  });

  document.addEventListener("click", async (event) => {
    const move = event.target.closest("[data-move]");
    if (move) {
      const done = await post(`/ui/issues/${issue}/move`, { project: move.dataset.move });
      if (done) location.assign(`/browse/${done.key}`);
    }
    if (event.target.closest("[data-delete]")) document.getElementById("sure").showModal();
    if (event.target.closest("[data-delete-now]")) {
      const done = await post(`/ui/issues/${issue}/delete`, {});
      if (done) location.assign(`/board/${document.body.dataset.project}`);
    }
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  });

  const form = document.getElementById("new-child");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const made = await post("/ui/issues", {
      ...Object.fromEntries(new FormData(form)), parent: issue, project: document.body.dataset.project,
    });
    if (made) {
      form.reset();
      flag({ title: `${made.key} was created.`, type: "success" });
      refresh();
    }
  });

  // ---- width of the side column: 280 to 400 pixels, by mouse or by arrow keys

  const handle = document.getElementById("side-width");
  const layout = document.getElementById("issue-layout");
  const limits = (width) => Math.max(280, Math.min(400, Math.round(width)));
  function setWidth(width) {
    const size = limits(width);
    layout.style.setProperty("--side", `${size}px`);
    handle.setAttribute("aria-valuenow", size);
    localStorage.setItem("stand-in-side", size);
  }
  setWidth(Number(localStorage.getItem("stand-in-side")) || 320);
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    document.body.classList.add("resizing");
    const right = layout.getBoundingClientRect().right;
    const move = (moved) => setWidth(right - moved.clientX - handle.offsetWidth / 2);
    handle.addEventListener("pointermove", move);
    handle.addEventListener("pointerup", () => {
      handle.removeEventListener("pointermove", move);
      document.body.classList.remove("resizing");
    }, { once: true });
  });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: 8, ArrowRight: -8 }[event.key];
    if (step) {
      event.preventDefault();
      setWidth(Number(handle.getAttribute("aria-valuenow")) + step);
    }
  });
})();
