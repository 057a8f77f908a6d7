/* The page's side of the bridge: answers the app's frames, and nobody else.
 *
 * A message counts when it comes from the window of a frame that this page made, from that frame's own origin, and
 * names that frame's channel. Answers go to that origin only.
 */
window.standIn = window.standIn || {};

(() => {
  "use strict";

  const frames = new Map(); // window of the iframe -> { element, channel, origin, app, module, context }
  const person = document.body.dataset.person;
  const project = document.body.dataset.project;
  const tokens = new Map();

  function adopt(element) {
    const { channel } = JSON.parse(element.name);
    frames.set(element.contentWindow, {
      element, channel,
      origin: element.dataset.origin,
      app: element.dataset.app,
      module: element.dataset.module,
      context: JSON.parse(element.dataset.context || "{}"),
      dialog: null,
      listens: false,
    });
  }

  /* One token serves several calls of a frame for ten seconds. */
  function token(frame) {
    const issue = frame.context.issue ? frame.context.issue.id : "";
    const kept = tokens.get(issue);
    if (kept && kept.until > Date.now()) return kept.token;
    const asked = fetch(`/ui/context-token?project=${encodeURIComponent(project)}&issue=${issue}`).then((answer) => {
      if (!answer.ok) throw new Error("no token");
      return answer.json();
    });
    const value = asked.then((body) => {
      keep(issue, value, Math.min(10, body.seconds / 2));
      return body.token;
    });
    keep(issue, value, 10);
    value.catch(() => tokens.delete(issue));
    return value;
  }

  function keep(issue, value, seconds) {
    tokens.set(issue, { token: value, until: Date.now() + seconds * 1000 });
  }

  function go(frame, target, context) {
    const app = encodeURIComponent(context.addonKey || frame.app);
    const places = {
      issue: () => `/browse/${encodeURIComponent(context.issueKey)}`,
      dashboard: () => "/",
      projectSummary: () => `/board/${encodeURIComponent(context.projectKey)}`,
      site: () => new URL(context.relativeUrl, location.origin).pathname,
      addonModule: () => {
        const custom = new URLSearchParams({ project });
        for (const [name, value] of Object.entries(context.customData || {})) custom.set(`ac.${name}`, value);
        return `/plugins/servlet/ac/${app}/${encodeURIComponent(context.moduleKey)}?${custom}`;
      },
    };
    places.addonmodule = places.addonModule;
    if (!places[target]) throw new Error(`unknown place ${target}`);
    location.assign(places[target]());
  }

  const answers = {
    token,
    context: (frame) => ({ jira: frame.context, license: { active: true } }),
    user: () => ({ atlassianAccountId: person }),
    timeZone: () => document.body.dataset.timeZone,
    locale: () => "en_US",
    theme: () => document.documentElement.dataset.colorMode,
    location: () => location.href,
    reload: () => location.reload(),
    refresh: () => window.standIn.refresh(),
    go,
    resize(frame, width, height) {
      if (frame.element.dataset.fixed) return;
      frame.element.style.height = /^\d+(\.\d+)?px$/.test(height) ? `${Math.min(parseFloat(height), 20000)}px` : "";
    },
    sizeToParent(frame) {
      frame.element.dataset.fixed = "parent";
      frame.element.classList.add("frame-fill");
      frame.element.style.height = "";
    },
    flag: (_, id, options) => window.standIn.flag(options, id),
    closeFlag: (_, id) => window.standIn.closeFlag(id),
    emit(frame, name, args) {
      for (const [view, other] of frames) {
        if (other.app === frame.app && other.listens) view.postMessage({ standIn: other.channel, event: name, args }, other.origin);
      }
    },
    dialog: (frame, options) => window.standIn.openDialog({
      href: `/plugins/servlet/ac/${encodeURIComponent(frame.app)}/${encodeURIComponent(options.key)}?project=${project}`,
      width: options.width, height: options.height, size: options.size, data: options.customData, opener: frame,
    }),
    escape: (frame) => (frame.dialog ? window.standIn.closeDialog(frame, null) : undefined),
    closeDialog: (frame, data) => window.standIn.closeDialog(frame, data),
    dialogData: (frame) => (frame.dialog ? frame.dialog.data : null),
  };

  window.addEventListener("message", async (event) => {
    const frame = frames.get(event.source);
    const message = event.data;
    if (!frame || event.origin !== frame.origin || !message || message.standIn !== frame.channel) return;
    frame.listens = true;
    if (!Object.hasOwn(answers, message.call)) return;
    const reply = (body) => {
      if (message.id !== undefined) frame.element.contentWindow?.postMessage({ standIn: frame.channel, reply: message.id, ...body }, frame.origin);
    };
    try {
      reply({ result: await answers[message.call](frame, ...(Array.isArray(message.args) ? message.args : [])) });
    } catch (error) {
      reply({ error: error.message });
    }
  });

  window.standIn.frames = frames;
  window.standIn.adopt = adopt;
  window.standIn.tellTheme = (theme) => {
    for (const [view, frame] of frames) {
      if (frame.listens) view.postMessage({ standIn: frame.channel, theme }, frame.origin);
    }
  };
  document.querySelectorAll("iframe[data-app]").forEach(adopt);
})();
