"use strict";
// Everything from models and data reaches the page as text of a node; nothing is ever parsed as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50;
  const OUTCOMES = { correct: "correct", wrong: "wrong", no_answer: "no answer", failed: "failed" };
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

  // Theme: the system's, or the reader's choice while the page is open.
  const theme = byId("theme");
  const themes = ["auto", "light", "dark"];
  let chosen = 0;
  theme.addEventListener("click", () => {
    chosen = (chosen + 1) % themes.length;
    if (themes[chosen] === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = themes[chosen];
    theme.textContent = `Theme: ${themes[chosen]}`;
  });

  const form = byId("filters");
  if (!form) return;
  const fill = (id, names) => names.forEach((name, index) => byId(id).append(make("option", { value: index, text: name })));
  fill("system", data.systems);
  fill("task", data.tasks);
  for (const [value, text] of Object.entries(OUTCOMES)) byId("outcome").append(make("option", { value, text }));

  let shown = [];
  let page = 0;
  const responseText = (sample) =>
    typeof sample.r === "string" ? sample.r : `choice ${JSON.stringify(sample.x.length ? sample.x[0][1] : null)}`;
  const documentName = (doc) => (doc.j === null ? `${data.tasks[doc.t]} ${doc.d}` : `${data.tasks[doc.t]} ${doc.j} ${doc.d}`);
  const haystack = (sample) => {
    const doc = data.documents[sample.c];
    if (sample.low === undefined) {
      const prompt = doc.p === null ? "" : data.prompts[doc.p];
      sample.low = [responseText(sample), documentName(doc), JSON.stringify(doc.g), prompt].join("\n").toLowerCase();
    }
    return sample.low;
  };
  // Documents on which systems come to different outcomes.
  const outcomes = new Map();
  for (const sample of data.samples) {
    if (!outcomes.has(sample.c)) outcomes.set(sample.c, new Set());
    outcomes.get(sample.c).add(sample.o);
  }

  const filter = () => {
    const [system, task, outcome] = ["system", "task", "outcome"].map((id) => byId(id).value);
    const split = byId("split").value;
    const words = byId("search").value.toLowerCase().trim();
    shown = data.samples.filter((sample) =>
      (system === "" || sample.s === Number(system)) &&
      (task === "" || data.documents[sample.c].t === Number(task)) &&
      (outcome === "" || sample.o === outcome) &&
      (split === "" || (outcomes.get(sample.c).size > 1) === (split === "differ")) &&
      (words === "" || haystack(sample).includes(words)));
    page = 0;
    show();
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    byId("count").textContent = `${shown.length} of ${data.samples.length} samples, page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
    byId("samples").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(entry));
  };

  const entry = (sample) => {
    const doc = data.documents[sample.c];
    const item = make("li");
    const button = make("button", { class: "sample", type: "button", "aria-expanded": "false" },
      make("span", { class: `outcome ${sample.o}`, text: OUTCOMES[sample.o] }),
      make("span", { text: data.systems[sample.s] }),
      make("span", { text: documentName(doc).replaceAll("_", "_\u200b") }),
      make("span", { class: "text", text: responseText(sample).trim().slice(0, 160) }));
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) item.lastElementChild.remove();
      else item.append(detail(sample, doc));
    });
    item.append(button);
    return item;
  };

  const json = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const block = (title, text) => [make("h3", { text: title }), make("pre", { text, tabindex: "0" })];

  const detail = (sample, doc) => {
    const node = make("div", { class: "detail" });
    if (doc.p === null) node.append(make("h3", { text: "Prompt" }), make("p", { text: "not recorded; run with --log-samples" }));
    else node.append(...block("Prompt", data.prompts[doc.p]));
    if (typeof sample.r === "string") {
      if (sample.k) node.append(...tokens(sample));
      else node.append(...block(`Response (ended by ${sample.f})`, sample.r));
      if (sample.u) node.append(make("h3", { text: "Answer" }), make("p", { text: "none: the thinking never ended" }));
      else if (sample.a !== undefined) node.append(...block("Answer (what is scored)", sample.a));
    } else {
      node.append(make("h3", { text: "Choices" }), choices(sample));
    }
    node.append(make("h3", { text: "Extraction" }), extraction(sample));
    node.append(...block("Gold", json(doc.g)));
    if (sample.e) node.append(...block("Error", sample.e));
    return node;
  };

  const table = (headings, rows) => make("div", { class: "scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, ...headings.map((text) => make("th", { scope: "col", text })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { text })))))));
  const choices = (sample) => table(["choice", "log-likelihood", "greedy", "tokens"],
    sample.r.map(([sum, greedy, count], index) => [index, typeof sum === "number" ? sum.toFixed(4) : sum, greedy ? "yes" : "no", count]));
  const extraction = (sample) => table(["filter", "extracted", "metrics"],
    sample.x.map(([name, value, metrics]) => [name, json(value), metrics.map(([metric, score]) => `${metric} ${score}`).join(", ")]));

  // Tokens: one stop for the tab key; arrows move inside. Hover, focus and tap fill the panel below.
  const visible = (text) => text.replace(/\n/g, "\u23ce\n").replace(/\t/g, "\u21e5\t");
  const tokens = (sample) => {
    const panel = make("div", { class: "token-detail", "aria-live": "polite", text: "Point at a token, or reach it with the arrow keys." });
    const kinds = new Set(sample.k.map((step) => step.w));
    const legend = make("div", { class: "legend" }, ...Object.keys(DECIDERS).filter((kind) => kinds.has(kind))
      .map((kind) => make("span", { class: kind, text: DECIDERS[kind] })));
    const line = make("div", { class: "tokens", role: "group", "aria-label": "Response, token by token" });
    sample.k.forEach((step, index) => {
      const text = step.end ? "\u2205" : step.t === "" ? "\u00b7" : visible(step.t);
      const token = make("span", { class: step.end || step.t === "" ? `${step.w} control` : step.w, text, tabindex: index === 0 ? "0" : "-1" });
      const tell = () => panel.replaceChildren(...explain(step, sample));
      token.addEventListener("pointerenter", tell);
      token.addEventListener("focus", tell);
      token.addEventListener("click", () => { tell(); token.focus(); });
      line.append(token);
    });
    line.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1, Home: -sample.k.length, End: sample.k.length }[event.key];
      if (!move) return;
      event.preventDefault();
      const all = [...line.children];
      const now = Math.max(0, all.indexOf(document.activeElement));
      const next = all[Math.min(all.length - 1, Math.max(0, now + move))];
      all.forEach((token) => token.setAttribute("tabindex", token === next ? "0" : "-1"));
      next.focus();
    });
    return [make("h3", { text: `Response, token by token (ended by ${sample.f})` }), legend, line, panel];
  };
  const explain = (step, sample) => {
    const name = step.end ? "end of the response" : JSON.stringify(step.t);
    const nodes = [make("div", { text: `${name}: ${DECIDERS[step.w]}; probability ${step.p.toFixed(4)}` })];
    if (step.g !== undefined) nodes.push(make("div", { text: `the gate proposed ${JSON.stringify(step.g)}` }));
    const members = data.members[sample.s];
    const rows = (step.m || []).map((view, index) => [
      members[index] ?? `member ${index}`,
      view === null ? "not asked" : view[0].map(([text, p]) => `${JSON.stringify(text)} ${p.toFixed(3)}`).join("  "),
      view === null ? "" : `${(view[1] * 100).toFixed(0)}%`,
    ]);
    if (rows.length) nodes.push(table(["member", "its most probable tokens", "share"], rows));
    return nodes;
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 120);
  });
  byId("previous").addEventListener("click", () => { page -= 1; show(); });
  byId("next").addEventListener("click", () => { page += 1; show(); });
  filter();
})();
