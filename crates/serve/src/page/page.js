(() => {
  const { byId, make, tokens } = drawing;
  drawing.theme(byId("theme"));
  const ask = byId("ask");
  const answers = byId("answers");
  let models = [];
  // What is under way, and by system what was said before.
  let running = null;
  let threads = new Map();

  const headers = () => {
    const key = byId("key").value;
    return { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  };
  const say = (text) => { byId("status").textContent = text; };

  // What an answer that is none says of itself.
  const reason = async (response) => {
    if (response.status === 401) byId("key-field").hidden = false;
    const text = await response.text();
    try {
      return JSON.parse(text).error.message;
    } catch {
      return `${response.status}: ${text.slice(0, 400)}`;
    }
  };

  const list = async () => {
    const response = await fetch("/v1/models", { headers: headers() });
    if (!response.ok) throw new Error(await reason(response));
    models = (await response.json()).data;
    const chosen = new Set(models.filter((model, at) => at < 3).map((model) => model.id));
    byId("systems").replaceChildren(byId("systems").firstElementChild, ...models.map((model, at) => {
      const box = make("input", { type: "checkbox", value: String(at) });
      box.checked = chosen.has(model.id);
      box.addEventListener("change", settings);
      const of = model.members.length > 1 ? model.members.join(" + ") : "";
      return make("label", {}, box, make("span", {}, model.id, ...(of && of !== model.id ? [" ", make("small", { text: of })] : [])));
    }));
    const gated = models.find((model) => model.gac && typeof model.gac.threshold === "number");
    if (gated) byId("threshold").value = String(gated.gac.threshold);
    settings();
    say("");
  };

  const chosen = () => [...byId("systems").querySelectorAll("input:checked")].map((box) => models[Number(box.value)]);
  const isGated = (model) => Boolean(model.gac && model.gac.gate);

  // Fields that would do nothing are not there.
  const settings = () => {
    byId("threshold-shown").textContent = Number(byId("threshold").value).toFixed(2);
    byId("threshold-field").hidden = !chosen().some(isGated);
  };

  // Server-sent events as they come.
  const events = async function* (response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        if (part.startsWith("data: ") && part !== "data: [DONE]") yield JSON.parse(part.slice(6));
      }
    }
  };

  // A column of its own for a system, as long as the page is open.
  const thread = (model) => {
    if (!threads.has(model.id)) {
      const numbers = make("div", { class: "numbers" });
      const turns = make("div");
      const node = make("section", { class: "answer", "aria-label": model.id }, make("h2", { text: model.id }), numbers, turns);
      threads.set(model.id, { numbers, turns, node, messages: [] });
    }
    return threads.get(model.id);
  };

  const answer = async (model, prompt, signal) => {
    const { numbers, turns, node, messages } = thread(model);
    answers.append(node);
    const chat = byId("mode").value === "chat";
    const drawn = tokens(model.members);
    turns.append(make("div", { class: "question", text: prompt }), ...drawn.nodes);
    const question = { role: "user", content: prompt };
    const gac = { trace: true, ...(isGated(model) ? { threshold: Number(byId("threshold").value) } : {}) };
    const body = {
      model: model.id,
      stream: true,
      max_tokens: Number(byId("most").value),
      temperature: Number(byId("temperature").value),
      gac,
      ...(chat ? { messages: [...messages, question] } : { prompt }),
    };
    let text = "";
    let [steps, voted] = [0, 0];
    const began = performance.now();
    const count = () => {
      const seconds = (performance.now() - began) / 1000;
      const rate = seconds > 0 ? `, ${(steps / seconds).toFixed(1)} tokens a second` : "";
      const share = model.members.length > 1 && steps > 0 ? `, ${((100 * voted) / steps).toFixed(1)} % ensembled` : "";
      numbers.textContent = `${steps} tokens${rate}${share}`;
    };
    try {
      const url = chat ? "/v1/chat/completions" : "/v1/completions";
      const response = await fetch(url, { method: "POST", headers: headers(), body: JSON.stringify(body), signal });
      if (!response.ok) throw new Error(await reason(response));
      for await (const event of events(response)) {
        if (event.error) throw new Error(event.error.message);
        const choice = event.choices && event.choices[0];
        if (!choice) continue;
        text += chat ? (choice.delta && choice.delta.content) || "" : choice.text || "";
        for (const step of (choice.gac && choice.gac.steps) || []) {
          steps += 1;
          voted += step.ensembled ? 1 : 0;
          drawn.add(step);
        }
        count();
      }
      if (chat) messages.push(question, { role: "assistant", content: text });
    } catch (error) {
      const said = error.name === "AbortError" ? "stopped" : error.message;
      turns.append(make("div", { class: "failed", text: said }));
    }
  };

  ask.addEventListener("submit", async (event) => {
    event.preventDefault();
    const prompt = byId("prompt").value;
    const asked = chosen();
    if (running || prompt === "") return;
    if (asked.length === 0) return say("Choose a system.");
    running = new AbortController();
    byId("send").disabled = true;
    byId("stop").disabled = false;
    say("Answering");
    await Promise.all(asked.map((model) => answer(model, prompt, running.signal)));
    running = null;
    byId("send").disabled = false;
    byId("stop").disabled = true;
    say("");
  });
  const stop = () => running && running.abort();
  byId("stop").addEventListener("click", stop);
  byId("clear").addEventListener("click", () => {
    stop();
    threads = new Map();
    answers.replaceChildren();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
    if (event.key === "Enter" && event.ctrlKey) ask.requestSubmit();
  });
  byId("threshold").addEventListener("input", settings);
  byId("key").addEventListener("change", () => list().catch((error) => say(error.message)));
  list().catch((error) => say(error.message));
})();
