/* The issue: properties save as they change; the side column can be made wider or narrower. */
(() => {
  "use strict";

  const { post, refresh, say, flag } = window.standIn;
  const { issue, team, teamId } = document.body.dataset;

  async function save(name, body, words) {
    const done = await post(`/ui/issues/${issue}/${name}`, body);
    if (document.activeElement?.matches("input, select, textarea")) document.activeElement.blur();
    await refresh();
    if (done) say(words);
    return done;
  }

  document.addEventListener("change", async (event) => {
    const field = event.target.closest("[data-field]");
    if (field) save(field.dataset.field, { [field.name]: field.value }, "Saved.");
    const label = event.target.closest("[data-label]");
    if (label) {
      label.closest("details").open = false;
      const name = label.parentElement.textContent.trim();
      await save("label", { label: label.dataset.label, on: label.checked }, `${name} ${label.checked ? "added" : "removed"}.`);
      document.getElementById("label-menu")?.focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input[data-field], .title")) {
      event.preventDefault();
      event.target.blur();
    }
  });

  document.addEventListener("click", async (event) => {
    const unblock = event.target.closest("[data-unblock]");
    if (unblock) save("unblock", { by: unblock.dataset.unblock }, "No longer blocked.");
    const item = event.target.closest("[data-do], [data-move], [data-duplicate], [data-delete], [data-close]");
    if (!item) return;
    const menu = item.closest("details.menu");
    if (menu) menu.open = false;
    if (item.dataset.move) {
      const done = await post(`/ui/issues/${issue}/move`, { team: item.dataset.move });
      if (done) location.assign(new URL(done.url).pathname);
    } else if (item.dataset.do === "delete") {
      if (await post(`/ui/issues/${issue}/delete`, {})) location.assign(`/team/${team}`);
    } else if (item.dataset.do) {
      save(item.dataset.do, {}, "Done.");
    } else if (item.matches("[data-duplicate]")) {
      document.getElementById("merge").showModal();
    } else if (item.matches("[data-delete]")) {
      document.getElementById("sure").showModal();
    } else {
      item.closest("dialog").close();
    }
  });

  document.getElementById("merge-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = Object.fromEntries(new FormData(event.target));
    event.target.closest("dialog").close();
    save("duplicate", body, "Merged.");
  });

  const blocker = document.getElementById("new-blocker");
  blocker.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await save("block", Object.fromEntries(new FormData(blocker)), "Blocked.")) blocker.reset();
  });

  const form = document.getElementById("new-child");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const made = await post("/ui/issues", { ...Object.fromEntries(new FormData(form)), parent: issue, team: teamId });
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
