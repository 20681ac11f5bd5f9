"use strict";
// Everything from models and data reaches the page as text of a node; nothing is ever parsed as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50;
  const OUTCOMES = { correct: "correct", wrong: "wrong", no_answer: "no answer", failed: "failed" };
  const { byId, make, table } = drawing;
  drawing.theme(byId("theme"));

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
    if (sample.n !== undefined) node.append(make("h3", { text: "Probability of no answer" }), make("p", { text: sample.n.toPrecision(4) }));
    node.append(make("h3", { text: "Extraction" }), extraction(sample));
    node.append(...block("Gold", json(doc.g)));
    if (sample.e) node.append(...block("Error", sample.e));
    return node;
  };

  const choices = (sample) => table(["choice", "log-likelihood", "greedy", "tokens"],
    sample.r.map(([sum, greedy, count], index) => [index, typeof sum === "number" ? sum.toFixed(4) : sum, greedy ? "yes" : "no", count]));
  const extraction = (sample) => table(["filter", "extracted", "metrics"],
    sample.x.map(([name, value, metrics]) => [name, json(value), metrics.map(([metric, score]) => `${metric} ${score}`).join(", ")]));

  const tokens = (sample) => {
    const drawn = drawing.tokens(data.members[sample.s]);
    for (const step of sample.k) {
      const members = (step.m || []).map((view) => (view === null ? null : { top: view[0], share: view[1] }));
      drawn.add({ text: step.t, decider: step.w, probability: step.p, end: step.end, proposed: step.g, members });
    }
    return [make("h3", { text: `Response, token by token (ended by ${sample.f})` }), ...drawn.nodes];
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
