"use strict";
// Everything from models and data reaches the page as text of a node; nothing is ever parsed as markup.
const drawing = (() => {
  const DECIDERS = {
    alone: "the gate (or single model) alone",
    agreed: "members voted, nobody overruled",
    overruled: "the ensemble overruled",
    voted: "members voted",
  };
  const byId = (id) => document.getElementById(id);
  const make = (name, properties, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key === "class") node.className = value;
      else if (key === "text") node.textContent = value;
      else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };
  const table = (headings, rows) => make("div", { class: "scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, ...headings.map((text) => make("th", { scope: "col", text })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { text })))))));

  // Theme: the system's, or the reader's choice while the page is open.
  const theme = (button) => {
    const themes = ["auto", "light", "dark"];
    let chosen = 0;
    button.addEventListener("click", () => {
      chosen = (chosen + 1) % themes.length;
      if (themes[chosen] === "auto") document.documentElement.removeAttribute("data-theme");
      else document.documentElement.dataset.theme = themes[chosen];
      button.textContent = `Theme: ${themes[chosen]}`;
    });
  };

  const visible = (text) => text.replace(/\n/g, "\u23ce\n").replace(/\t/g, "\u21e5\t");
  const explain = (step, names) => {
    const name = step.end ? "end of the response" : JSON.stringify(step.text);
    const nodes = [make("div", { text: `${name}: ${DECIDERS[step.decider]}; probability ${step.probability.toFixed(4)}` })];
    if (typeof step.proposed === "string") nodes.push(make("div", { text: `the gate proposed ${JSON.stringify(step.proposed)}` }));
    const rows = (step.members || []).map((view, index) => [
      names[index] ?? `member ${index}`,
      view === null ? "not asked" : view.top.map(([text, p]) => `${JSON.stringify(text)} ${p.toFixed(3)}`).join("  "),
      view === null ? "" : `${(view.share * 100).toFixed(0)}%`,
    ]);
    if (rows.length) nodes.push(table(["member", "its most probable tokens", "share"], rows));
    return nodes;
  };

  // A response, token by token: one stop for the tab key, arrows move inside; hover, focus and tap fill the panel below.
  // `add` takes a step: text, end, decider, probability, proposed, and members' views ({ top, share } or null).
  const tokens = (names) => {
    const panel = make("div", { class: "token-detail", "aria-live": "polite", text: "Point at a token, or reach it with the arrow keys." });
    const legend = make("div", { class: "legend" });
    const line = make("div", { class: "tokens", role: "group", "aria-label": "Response, token by token" });
    const kinds = new Set();
    const add = (step) => {
      if (!kinds.has(step.decider)) {
        kinds.add(step.decider);
        const known = Object.keys(DECIDERS).filter((kind) => kinds.has(kind));
        legend.replaceChildren(...known.map((kind) => make("span", { class: kind, text: DECIDERS[kind] })));
      }
      const control = step.end || step.text === "";
      const text = step.end ? "\u2205" : step.text === "" ? "\u00b7" : visible(step.text);
      const tabindex = line.childElementCount === 0 ? "0" : "-1";
      const token = make("span", { class: control ? `${step.decider} control` : step.decider, text, tabindex });
      const tell = () => panel.replaceChildren(...explain(step, names));
      token.addEventListener("pointerenter", tell);
      token.addEventListener("focus", tell);
      token.addEventListener("click", () => { tell(); token.focus(); });
      line.append(token);
    };
    line.addEventListener("keydown", (event) => {
      const all = [...line.children];
      const move = { ArrowRight: 1, ArrowLeft: -1, Home: -all.length, End: all.length }[event.key];
      if (!move) return;
      event.preventDefault();
      const now = Math.max(0, all.indexOf(document.activeElement));
      const next = all[Math.min(all.length - 1, Math.max(0, now + move))];
      all.forEach((token) => token.setAttribute("tabindex", token === next ? "0" : "-1"));
      next.focus();
    });
    return { nodes: [legend, line, panel], add };
  };
  return { byId, make, table, theme, tokens };
})();
