/* The board: cards move by mouse, by keyboard and by menu. */
(() => {
  "use strict";

  const { teamId, cycle } = document.body.dataset;
  const { post, refresh, say } = window.standIn;

  const cardOf = (node) => node.closest("[data-card]");
  const columns = () => [...document.querySelectorAll("[data-column]")];
  const nameOf = (card) => card.dataset.key;

  async function act(card, name, body, words) {
    const done = await post(`/ui/issues/${card.dataset.card}/${name}`, body);
    await refresh();
    if (done) say(words);
    document.getElementById(card.id)?.focus();
  }

  function drop(card, column, before) {
    const stays = column.dataset.column === card.dataset.state;
    if (stays && before) return act(card, "rank", { before: before.dataset.card }, `${nameOf(card)} ranked.`);
    if (stays) return undefined;
    column.querySelector("[data-cards]").append(card); // answers at once; the refresh puts it right
    const state = column.dataset.column;
    return act(card, "transition", { state, before: before ? before.dataset.card : null }, `${nameOf(card)} is now ${column.dataset.name}.`);
  }

  // ---- mouse

  let dragged = null;
  document.addEventListener("dragstart", (event) => {
    const card = event.target.closest?.("[data-card][draggable=true]");
    if (!card) return;
    dragged = card;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", card.dataset.key);
    requestAnimationFrame(() => card.classList.add("dragging"));
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragging");
    dragged = null;
    columns().forEach((column) => column.classList.remove("over"));
  });
  document.addEventListener("dragover", (event) => {
    const column = dragged && event.target.closest?.("[data-column]");
    columns().forEach((one) => one.classList.toggle("over", one === column));
    if (column) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const column = dragged && event.target.closest?.("[data-column]");
    if (!column) return;
    event.preventDefault();
    const card = dragged;
    card.classList.remove("dragging");
    const below = [...column.querySelectorAll("[data-card]")].find((one) => {
      const box = one.getBoundingClientRect();
      return one !== card && event.clientY < box.top + box.height / 2;
    });
    drop(card, column, below);
  });

  // ---- keyboard: Space picks a card up, arrows choose a column, Space puts it down, Escape puts it back

  let carried = null;
  function putDown(back) {
    const { card, home } = carried;
    carried = null;
    card.classList.remove("carried");
    const column = card.closest("[data-column]");
    if (back) {
      home.append(card);
      say(`${nameOf(card)} stays where it was.`);
      refresh();
      card.focus();
    } else {
      drop(card, column, null);
    }
  }
  document.addEventListener("keydown", (event) => {
    const card = event.target.matches?.("[data-card]") ? event.target : null;
    if (!card) return;
    if (event.key === " " && card.closest("[data-column]")) {
      event.preventDefault();
      if (carried) return putDown(false);
      carried = { card, home: card.parentElement };
      card.classList.add("carried");
      say(`${nameOf(card)} picked up. Left and right choose a column, Space puts it down, Escape leaves it.`);
    } else if (event.key === "Escape" && carried) {
      putDown(true);
    } else if (["ArrowLeft", "ArrowRight"].includes(event.key) && card.closest("[data-column]")) {
      event.preventDefault();
      const all = columns();
      const next = all[all.indexOf(card.closest("[data-column]")) + (event.key === "ArrowRight" ? 1 : -1)];
      if (!next) return undefined;
      if (carried) {
        next.querySelector("[data-cards]").append(card);
        card.focus();
        say(next.dataset.name);
      } else {
        next.querySelector("[data-card]")?.focus();
      }
    } else if (["ArrowUp", "ArrowDown"].includes(event.key) && !carried) {
      event.preventDefault();
      const cards = [...card.parentElement.querySelectorAll("[data-card]")];
      cards[cards.indexOf(card) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    } else if (event.key === "Enter" && event.target === card) {
      location.assign(card.dataset.href);
    }
    return undefined;
  });
  document.addEventListener("focusout", (event) => {
    if (carried && event.target === carried.card && event.relatedTarget && event.relatedTarget !== carried.card) putDown(true);
  });

  // ---- a card's menu stands beside the card, outside of the board that scrolls

  document.addEventListener("toggle", (event) => {
    const menu = event.target.closest?.(".card-menu");
    if (!menu || !menu.open) return;
    const list = menu.querySelector(".menu-list");
    const box = menu.getBoundingClientRect();
    const room = Math.max(innerHeight - box.bottom - 12, box.top - 12);
    Object.assign(list.style, { position: "fixed", right: "auto", bottom: "auto", maxHeight: `${room}px` });
    const { offsetWidth: width, offsetHeight: height } = list;
    const down = box.bottom + 4 + height <= innerHeight || box.bottom < innerHeight - box.bottom;
    list.style.left = `${Math.max(8, Math.min(box.right - width, innerWidth - width - 8))}px`;
    list.style.top = `${down ? box.bottom + 4 : Math.max(8, box.top - height - 4)}px`;
  }, true);
  document.addEventListener("scroll", (event) => {
    if (event.target.closest?.(".menu-list")) return;
    for (const menu of document.querySelectorAll(".card-menu[open]")) menu.open = false;
  }, { capture: true, passive: true });

  // ---- menu of a card, end of a cycle, new issue

  document.addEventListener("click", (event) => {
    const item = event.target.closest("[data-act]");
    if (item) {
      const card = cardOf(item);
      item.closest("details").open = false;
      act(card, item.dataset.act, JSON.parse(item.dataset.body), `${nameOf(card)}: ${item.textContent.trim()}.`);
    }
    const ended = event.target.closest("[data-complete]");
    if (ended) {
      post("/ui/controls/complete-cycle", { cycle: ended.dataset.complete }).then(() => location.reload());
    }
  });

  const form = document.getElementById("new-issue");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = Object.fromEntries(new FormData(form));
    const made = await post("/ui/issues", { ...body, team: teamId, cycle });
    if (!made) return;
    form.elements.title.value = "";
    form.elements.title.focus();
    window.standIn.flag({ title: `${made.key} was created.`, type: "success" });
    refresh();
  });

  // ---- links of the cycle

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-unlink]");
    if (link && (await post(`/ui/links/${link.dataset.unlink}/remove`, {}))) refresh();
  });
})();
