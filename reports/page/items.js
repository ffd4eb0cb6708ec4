// The items: a list on the left, the chosen one on the right. From the file itself, or page by page from the server.

const kPageSize = 50;
const kVerdictWords = {right: "✓ right", wrong: "✗ wrong", unparsed: "? unparsed", missing: "– missing", value: ""};
const tasksOf = (run) => kData.tasks.filter((task) => !task.runs || task.runs.includes(run));
const choice = {run: 0, task: "", against: 0, verdict: "", text: "", page: 0, item: null};
let shown = {total: 0, items: []};

const isMeasure = (metric) => /bits_per_byte|perplexity|loss/.test(metric || "");
const taskKey = (task) => task.task + "@" + task.convention;
const currentTask = () => kData.tasks.find((task) => taskKey(task) === choice.task);
const runLabel = (id) => { const run = kData.runs.find((each) => each.run === id); return run ? run.checkpoint : "run " + id; };
const answerOf = (item, run) => item.answers.find((answer) => answer.run === run);

function verdictOf(answer) {
  if (!answer || answer.outcome === "missing" || answer.value === null) return "missing";
  if (answer.outcome === "unparsed") return "unparsed";
  if (isMeasure(currentTask()?.metric)) return "value";
  return answer.value > 0 ? "right" : "wrong";
}

function verdictMark(answer) {
  const verdict = verdictOf(answer);
  const partial = answer && isNumber(answer.value) && (verdict === "value" || (answer.value > 0 && answer.value !== 1));
  return el("span", {class: "verdict " + verdict}, kVerdictWords[verdict], partial ? " " + answer.value.toPrecision(3) : "");
}

// -------------------------------------------------------------------------------------------------- where items come from

function isFlip(item) {
  const a = verdictOf(answerOf(item, choice.run)), b = verdictOf(answerOf(item, choice.against));
  return a !== "missing" && b !== "missing" && (a === "right") !== (b === "right");
}

function itemsOfFile() {
  const index = kData.tasks.indexOf(currentTask()), text = choice.text;
  const all = kData.items.filter((item) => {
    const answer = item.task === index && answerOf(item, choice.run);
    if (!answer) return false;
    const verdict = verdictOf(answer);
    if (choice.verdict === "flip" ? !isFlip(item) : choice.verdict === "wrong" ? verdict !== "wrong" && verdict !== "unparsed" : choice.verdict && verdict !== choice.verdict) return false;
    return !text || [item.item, answer.extracted, item.gold].some((each) => each.includes(text));
  });
  return {total: all.length, items: all.slice(choice.page * kPageSize, (choice.page + 1) * kPageSize)};
}

async function itemsOfServer() {
  const task = currentTask();
  const query = new URLSearchParams({run: choice.run, task: task.task, convention: task.convention, against: choice.against, verdict: choice.verdict, text: choice.text, first: choice.page * kPageSize, count: kPageSize});
  const answer = await fetch("items.json?" + query);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// ---------------------------------------------------------------------------------------------------------------- list

const promptText = (prompt) => (prompt.head === undefined ? "" : kData.heads[prompt.head]) + prompt.text;

// The last words before the answer say most about an item.
function snippet(item) {
  const text = item.prompts[0].text.replace(/\s+/g, " ").trim();
  return text.length > 48 ? "…" + text.slice(-48) : text;
}

function drawList() {
  const list = document.getElementById("list"), first = choice.page * kPageSize;
  const heads = ["Item", "Verdict", choice.against ? runLabel(choice.against) : null, "Answer", "Gold", "Prompt ends"].filter(Boolean);
  const rows = shown.items.map((item) => {
    const answer = answerOf(item, choice.run), other = choice.against && answerOf(item, choice.against);
    return el("tr", {"data-item": item.item, "aria-current": item.item === choice.item ? "true" : null},
      el("th", {scope: "row", class: "first"}, el("button", {type: "button", onclick: () => choose(item)}, item.item)),
      el("td", {}, verdictMark(answer)), choice.against ? el("td", {}, verdictMark(other)) : "",
      el("td", {class: "snippet short"}, answer.extracted), el("td", {class: "snippet short"}, item.gold), el("td", {class: "snippet"}, snippet(item)));
  });
  const page = (step, title, allowed) => el("button", {type: "button", class: "plain", disabled: !allowed, onclick: () => { choice.page += step; choice.item = null; load(); }}, title);
  list.replaceChildren(
    shown.items.length ? scrolled(el("table", {}, el("caption", {class: "hidden"}, "Items"), el("thead", {}, el("tr", {}, heads.map((title) => el("th", {scope: "col", class: title === "Item" ? "first" : null}, title)))), el("tbody", {}, rows)), "Items")
      : el("p", {class: "empty"}, "No such item."),
    el("div", {class: "pages"}, page(-1, "Previous", choice.page > 0), el("span", {class: "dim"}, shown.total ? `${first + 1} to ${first + shown.items.length} of ${count(shown.total)}` : ""), page(1, "Next", first + kPageSize < shown.total)),
    kData.left_out?.length ? el("p", {class: "note"}, "Not in this file: ", kData.left_out.join("; "), ".") : "");
}

// ------------------------------------------------------------------------------------------------------------ one item

function optionsTable(responses, gold) {
  const best = Math.max(...responses.map((each) => each.logprob));
  return el("table", {}, el("caption", {class: "hidden"}, "Options with their log-probabilities"),
    el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "continuation"), el("th", {scope: "col", class: "number"}, "ln p"), el("th", {scope: "col", class: "number"}, "tokens"), el("th", {scope: "col"}, ""))),
    el("tbody", {}, responses.map((each) => el("tr", {class: gold !== "" && (each.text || "").trim() === gold.trim() ? "gold" : null},
      el("td", {}, each.text === undefined ? "(the text)" : each.text), el("td", {class: "number"}, fixed(each.logprob, 3)), el("td", {class: "number"}, each.tokens),
      el("td", {}, [responses.length > 1 && each.logprob === best && "most probable", gold !== "" && (each.text || "").trim() === gold.trim() && "gold", each.greedy && "greedy"].filter(Boolean).join(", "))))));
}

function answerPart(item, answer) {
  const parts = [el("h3", {}, runLabel(answer.run), " ", verdictMark(answer), answer.status ? el("span", {class: "dim"}, " (" + answer.status + ")") : "")];
  if (verdictOf(answer) !== "value") {
    parts.push(el("div", {class: "pair"},
      el("div", {}, el("div", {class: "label"}, "extracted answer"), el("pre", {class: "extracted"}, answer.outcome === "unparsed" ? "none found" : answer.extracted)),
      el("div", {}, el("div", {class: "label"}, "gold"), el("pre", {class: "gold"}, item.gold))));
  }
  answer.responses.forEach((responses) => {
    for (const text of responses.filter((each) => each.finish !== undefined)) {
      parts.push(el("div", {class: "label"}, `raw response (${text.finish}, ${text.tokens} tokens)`), el("pre", {class: "response"}, text.text));
    }
    const options = responses.filter((each) => each.finish === undefined);
    if (options.length) parts.push(optionsTable(options, item.gold));
  });
  return parts;
}

function promptPart(item) {
  const parts = [];
  item.prompts.forEach((prompt, index) => {
    parts.push(el("div", {class: "label"}, item.prompts.length > 1 ? `prompt ${index + 1} of ${item.prompts.length}` : "prompt"));
    if (prompt.head !== undefined) parts.push(el("details", {}, el("summary", {}, "description and shots"), el("pre", {}, kData.heads[prompt.head])));
    parts.push(el("pre", {class: "prompt"}, prompt.text));
  });
  return parts;
}

function drawItem() {
  const place = document.getElementById("item"), item = shown.items.find((each) => each.item === choice.item);
  if (!item) return void place.replaceChildren(el("p", {class: "empty"}, shown.items.length ? "Choose an item." : ""));
  const own = answerOf(item, choice.run), other = choice.against && answerOf(item, choice.against);
  place.replaceChildren(el("h2", {}, item.item), ...answerPart(item, own), ...(other ? answerPart(item, other) : []), ...promptPart(item));
}

function choose(item) {
  choice.item = item.item;
  remember();
  for (const row of document.querySelectorAll("#list tbody tr")) {
    if (row.dataset.item === item.item) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
  }
  drawItem();
}

// Up and down move through the list from a focused item.
document.getElementById("list").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp" || event.target.tagName !== "BUTTON") return;
  const row = event.target.closest("tbody tr");
  const next = row && (event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling);
  if (!next) return;
  event.preventDefault();
  next.querySelector("button").focus();
  choose(shown.items.find((each) => each.item === next.dataset.item));
});

// -------------------------------------------------------------------------------------------------------------- choosing

function remember() {
  const task = currentTask();
  const values = {run: choice.run, task: task?.task, convention: task?.convention, against: choice.against || "", verdict: choice.verdict, text: choice.text, page: choice.page || "", item: choice.item || ""};
  history.replaceState(null, "", "#" + new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined)));
}

function recall() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const known = (id) => kData.runs.some((run) => run.run === id);
  choice.run = known(+asked.get("run")) ? +asked.get("run") : kData.runs.at(-1).run;
  choice.against = known(+asked.get("against")) ? +asked.get("against") : 0;
  choice.task = asked.get("task") + "@" + asked.get("convention");
  if (!tasksOf(choice.run).some((task) => taskKey(task) === choice.task)) choice.task = tasksOf(choice.run).length ? taskKey(tasksOf(choice.run)[0]) : "";
  choice.verdict = asked.get("verdict") || "";
  choice.text = asked.get("text") || "";
  choice.page = +asked.get("page") || 0;
  choice.item = asked.get("item");
}

function select(label, key, options, convert) {
  const node = el("select", {id: key, onchange: (event) => {
    choice[key] = convert(event.target.value);
    choice.page = 0, choice.item = null;
    if (key === "run" && !tasksOf(choice.run).some((task) => taskKey(task) === choice.task)) choice.task = tasksOf(choice.run).length ? taskKey(tasksOf(choice.run)[0]) : "";
    if (key === "against" && !choice.against && choice.verdict === "flip") choice.verdict = "";
    drawChoice();
    load();
  }}, options.map(([value, text]) => el("option", {value}, text)));
  node.value = String(choice[key]);
  return el("label", {}, label + " ", node);
}

function drawChoice() {
  const runs = kData.runs.map((run) => [run.run, `${run.checkpoint} (run ${run.run})`]);
  const focused = document.activeElement?.id;
  document.getElementById("choice").replaceChildren(
    select("Checkpoint", "run", runs, Number),
    select("Task", "task", tasksOf(choice.run).map((task) => [taskKey(task), taskKey(task)]), String),
    select("Compare with", "against", [[0, "none"], ...runs.filter(([id]) => id !== choice.run)], Number),
    select("Show", "verdict", [["", "all"], ["right", "right"], ["wrong", "wrong (unparsed too)"], ["unparsed", "unparsed"], ...(choice.against ? [["flip", "flips"]] : [])], String),
    el("label", {}, "Search ", el("input", {type: "search", id: "text", value: choice.text, onchange: (event) => { choice.text = event.target.value; choice.page = 0; load(); }})),
    el("a", {href: kData.report || "./"}, "Report"));
  if (focused) document.getElementById(focused)?.focus();
}

async function load() {
  const status = document.getElementById("status");
  if (!currentTask()) {
    shown = {total: 0, items: []};
    status.textContent = "No scored task yet.";
  } else {
    try {
      shown = kLive ? await itemsOfServer() : itemsOfFile();
      status.textContent = "";
    } catch (problem) {
      shown = {total: 0, items: []};
      status.textContent = "Items could not be read: " + problem.message;
    }
  }
  if (!shown.items.some((item) => item.item === choice.item)) choice.item = shown.items[0]?.item ?? null;
  remember();
  drawList();
  drawItem();
}

document.getElementById("choice").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", () => { recall(); drawChoice(); load(); });
if (kData.runs.length) {
  recall();
  drawChoice();
  load();
} else {
  document.getElementById("list").replaceChildren(el("p", {class: "empty"}, "No runs yet."));
}
