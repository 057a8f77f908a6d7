/* What every page does: theme, person switch, menus, notices, dialogs of apps, and keeping up with the site. */
window.standIn = window.standIn || {};

(() => {
  "use strict";

  const root = document.documentElement;

  // ---- theme: light, dark or as the system says

  const system = matchMedia("(prefers-color-scheme: dark)");
  const picked = () => localStorage.getItem("stand-in-theme") || "system";
  function wear() {
    const theme = picked() === "system" ? (system.matches ? "dark" : "light") : picked();
    root.dataset.colorMode = theme;
    if (window.standIn.tellTheme) window.standIn.tellTheme(theme);
    for (const radio of document.querySelectorAll("[name=theme]")) radio.checked = radio.value === picked();
  }
  wear();
  system.addEventListener("change", wear);
  document.addEventListener("change", (event) => {
    if (event.target.name === "theme") {
      localStorage.setItem("stand-in-theme", event.target.value);
      wear();
    } else if (event.target.matches("[data-submit]")) {
      event.target.form.submit();
    }
  });

  // ---- menus: <details class="menu"> that close when one clicks elsewhere or presses Escape

  const openMenus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of openMenus()) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
    const item = event.target.closest("details.menu [role=menuitem]");
    if (item && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      const items = [...item.closest("details.menu").querySelectorAll("[role=menuitem]:not([disabled])")];
      const step = event.key === "ArrowDown" ? 1 : -1;
      items[(items.indexOf(item) + step + items.length) % items.length].focus();
      event.preventDefault();
    }
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches("details.menu") && event.target.open) event.target.querySelector("[role=menuitem]")?.focus();
  }, true);

  // ---- notices

  const flags = document.getElementById("flags");
  function flag({ title, body, type, close }, id = `own-${Date.now()}`) {
    const box = document.createElement("div");
    box.className = `flag flag-${["success", "info", "warning", "error"].includes(type) ? type : "info"}`;
    box.id = `flag-${id}`;
    const words = document.createElement("div");
    const strong = document.createElement("strong");
    strong.textContent = title || "";
    words.append(strong);
    if (body) {
      const text = document.createElement("p");
      text.textContent = new DOMParser().parseFromString(String(body), "text/html").body.textContent;
      words.append(text);
    }
    const dismiss = document.createElement("button");
    dismiss.type = "button";
    dismiss.className = "plain";
    dismiss.textContent = "✕";
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.addEventListener("click", () => box.remove());
    box.append(words, dismiss);
    // A modal dialog covers everything else, notices too: they move into it.
    (document.querySelector("dialog[open]") || document.body).append(flags);
    flags.append(box);
    if (close === "auto" || id.startsWith("own-")) setTimeout(() => box.remove(), 6000);
  }
  window.standIn.flag = flag;
  window.standIn.closeFlag = (id) => document.getElementById(`flag-${id}`)?.remove();

  const live = document.getElementById("said");
  window.standIn.say = (words) => {
    live.textContent = words;
  };

  // ---- doing things

  window.standIn.post = async (path, body) => {
    let answer;
    try {
      answer = await fetch(path, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body || {}),
      });
    } catch {
      flag({ title: "The stand-in site does not answer.", type: "error" });
      return null;
    }
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) flag({ title: said.message || "That did not work.", type: "error" });
    return answer.ok ? said : null;
  };

  // ---- keeping up: poll the version, then lay the new regions over the old ones

  let version = null;
  let refreshing = null;
  function busy() {
    const active = document.activeElement;
    const editing = active && active.closest("[data-live]") && active.matches("input:not([type=radio]), textarea, select");
    return editing || document.querySelector(".dragging, .carried, [data-live] details.menu[open]");
  }

  async function refresh() {
    if (refreshing) return refreshing;
    refreshing = (async () => {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected) return location.replace(answer.url);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (busy()) {
        version = null; // look again at the next beat
        return undefined;
      }
      const focused = document.activeElement ? document.activeElement.id : "";
      for (const region of document.querySelectorAll("[data-live]")) {
        const other = fresh.getElementById(region.id);
        if (!other) {
          if (answer.status >= 400) return location.reload();
          continue;
        }
        if (other.innerHTML !== region.served) {
          region.served = other.innerHTML;
          region.innerHTML = other.innerHTML;
        }
      }
      if (focused && (!document.activeElement || document.activeElement === document.body)) document.getElementById(focused)?.focus();
      document.dispatchEvent(new CustomEvent("standin:refreshed"));
      return undefined;
    })().catch(() => undefined).finally(() => (refreshing = null));
    return refreshing;
  }
  window.standIn.refresh = refresh;
  document.querySelectorAll("[data-live]").forEach((region) => (region.served = region.innerHTML));

  async function beat() {
    if (document.hidden || busy()) return;
    const answer = await fetch("/ui/version").catch(() => null);
    if (!answer || !answer.ok) return;
    const now = (await answer.json()).version;
    const always = document.body.dataset.poll === "always";
    if (always || (version !== null && now !== version) || version === null) await refresh();
    version = now;
  }
  version = Number(document.body.dataset.version);
  setInterval(beat, 1000);
  document.addEventListener("visibilitychange", beat);

  // ---- dialogs of apps

  const dialog = document.getElementById("app-dialog");
  let opened = null;
  window.standIn.openDialog = async ({ href, width, height, size, data, opener }) => {
    const answer = await fetch(`${href}&frame=1`);
    if (!answer.ok) return flag({ title: "The app's dialog could not be opened.", type: "error" });
    const module = await answer.json();
    const frame = document.createElement("iframe");
    frame.name = module.name;
    frame.title = module.title;
    frame.setAttribute("sandbox", "allow-downloads allow-forms allow-modals allow-popups allow-scripts allow-same-origin");
    Object.assign(frame.dataset, {
      app: module.app, module: module.module, origin: module.origin, context: JSON.stringify(module.context), fixed: "dialog",
    });
    dialog.replaceChildren(head(module.title), frame);
    dialog.dataset.size = size || "";
    dialog.style.width = /^\d+(px|%)?$/.test(width || "") ? (String(width).match(/\D$/) ? width : `${width}px`) : "";
    dialog.style.height = /^\d+(px|%)?$/.test(height || "") ? (String(height).match(/\D$/) ? height : `${height}px`) : "";
    dialog.showModal();
    window.standIn.adopt(frame);
    const record = window.standIn.frames.get(frame.contentWindow);
    record.dialog = { data: data || null };
    opened = { view: frame.contentWindow, opener, href };
    frame.src = module.src;
    return undefined;
  };
  function head(title) {
    const bar = document.createElement("header");
    const name = document.createElement("h2");
    name.textContent = title;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "plain";
    close.textContent = "✕";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => dialog.close());
    bar.append(name, close);
    return bar;
  }
  window.standIn.closeDialog = (_, data) => {
    if (opened && opened.opener) {
      const { element, channel, origin } = opened.opener;
      element.contentWindow?.postMessage({ standIn: channel, event: "dialog.close", args: [data] }, origin);
    }
    dialog.close();
  };
  dialog?.addEventListener("close", () => {
    const from = opened?.href;
    if (opened) window.standIn.frames.delete(opened.view);
    opened = null;
    document.body.append(flags);
    dialog.replaceChildren();
    // The refresh draws the button anew that the dialog was opened by, and the focus belongs there.
    Promise.resolve(refresh()).then(() => {
      if (document.activeElement === document.body) document.querySelector(`[data-dialog][data-href="${CSS.escape(from || "")}"]`)?.focus();
    });
  });
  document.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-dialog]");
    if (!tool) return;
    event.preventDefault();
    const { href, width, height, size } = tool.dataset;
    window.standIn.openDialog({ href, width, height, size });
  });

  // ---- frames begin to load only when the bridge listens

  for (const frame of document.querySelectorAll("iframe[data-src]")) {
    if (frame.closest("details:not([open])")) {
      frame.closest("details").addEventListener("toggle", () => frame.src || (frame.src = frame.dataset.src), { once: true });
    } else {
      frame.src = frame.dataset.src;
    }
  }
})();
