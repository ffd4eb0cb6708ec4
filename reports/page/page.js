// The report: one function a section, each drawn from kData's key of that name and left out without it.

let data = kData;
// What the reader chose; kept while news arrive.
const ui = {filter: "", members: true, shown: null, curveFilter: "", curveMembers: false, open: {}, sort: {}};
const kMostColumns = 6;
const kMostCurves = 400;

const sortState = (name) => (ui.sort[name] = ui.sort[name] || {});
const itemsAddress = (parameters) => data.items ? data.items + "#" + new URLSearchParams(parameters) : null;
const taskName = (row) => [row.task, el("span", {class: "small"}, "@" + row.convention)];

// An interval on a common scale, zero marked.
function interval(effect, ci, low, high, found) {
  const width = 150, at = (value) => 4 + (Math.max(low, Math.min(high, value)) - low) / (high - low) * (width - 8);
  const text = signed(effect) + (ci ? ` [${signed(ci[0])}, ${signed(ci[1])}]` : "");
  const parts = [svg("line", {class: "zero", x1: at(0), x2: at(0), y1: 0, y2: 16})];
  if (ci) parts.push(svg("line", {class: "bar", x1: at(ci[0]), x2: at(ci[1]), y1: 8, y2: 8}));
  if (isNumber(effect)) parts.push(svg("circle", {cx: at(effect), cy: 8, r: 3.2}));
  return svg("svg", {class: "interval" + (found ? " found" : ""), viewBox: `0 0 ${width} 16`, width, height: 16, role: "img", "aria-label": text}, ...parts);
}

function scaleOf(rows, effect) {
  const values = [0];
  for (const row of rows) values.push(...(row.ci95 || [effect(row)]).filter(isNumber));
  const low = Math.min(...values), high = Math.max(...values), air = (high - low || 1) * 0.04;
  return [low - air, high + air];
}

// ------------------------------------------------------------------------------------------------------------ results

// Checkpoints are columns: by training step, then by run. Of several runs of a checkpoint the newest number counts.
function checkpoints() {
  const found = new Map();
  for (const row of data.results) {
    const known = found.get(row.checkpoint);
    if (!known) found.set(row.checkpoint, {label: row.checkpoint, step: row.step, run: row.run});
    else known.run = Math.max(known.run, row.run);
  }
  return [...found.values()].sort((a, b) => (a.step ?? Infinity) - (b.step ?? Infinity) || a.run - b.run || 0);
}

function resultRows() {
  const rows = new Map();
  for (const each of data.results) {
    const key = JSON.stringify([each.task, each.convention, each.shots, each.metric, each.filter]);
    if (!rows.has(key)) rows.set(key, {...each, cells: new Map(), key});
    const cells = rows.get(key).cells, old = cells.get(each.checkpoint);
    if (!old || old.run < each.run) cells.set(each.checkpoint, each);
  }
  return [...rows.values()];
}

function baselineModels() {
  return [...new Set((data.baselines || []).map((row) => row.model))];
}

function baselineOf(row, model) {
  return (data.baselines || []).find((each) => each.model === model && each.task === row.task &&
    each.convention === row.convention && (!each.metric || each.metric === row.metric));
}

function valueCell(row, label) {
  const cell = row.cells.get(label);
  if (!cell) return "";
  const text = fixed(cell.value), address = row.group ? null : itemsAddress({run: cell.run, task: row.task, convention: row.convention});
  const out = [address ? el("a", {href: address, title: "Items of " + row.task + ", " + label}, text) : text];
  if (isNumber(cell.stderr)) out.push(el("span", {class: "error"}, " ±" + fixed(cell.stderr)));
  const counts = [cell.unparsed && count(cell.unparsed) + " unparsed", cell.missing && count(cell.missing) + " missing"].filter(Boolean);
  if (counts.length) out.push(el("div", {class: "small"}, counts.join(", ")));
  return out;
}

function isBest(row, label, shown) {
  const own = row.cells.get(label), sign = row.higher_is_better === false ? -1 : 1;
  if (!own || !isNumber(own.value) || shown.length < 2) return false;
  const values = shown.map((each) => row.cells.get(each.label)).filter((cell) => cell && isNumber(cell.value)).map((cell) => sign * cell.value);
  return values.length > 1 && sign * own.value >= Math.max(...values) && Math.min(...values) < Math.max(...values);
}

function baselineCell(row, model, marks) {
  const found = baselineOf(row, model);
  if (!found) return "";
  const signs = (found.marks || []).map((mark) => {
    if (!marks.includes(mark)) marks.push(mark);
    return marks.indexOf(mark) + 1;
  });
  return [el("span", {title: [found.source, found.shots !== undefined && found.shots !== null && found.shots + " shots", found.method].filter(Boolean).join(", ")}, fixed(found.value)),
          signs.length ? el("sup", {}, signs.join(",")) : ""];
}

function resultsSection(section) {
  const all = checkpoints(), models = baselineModels();
  if (!ui.shown || !all.some((each) => ui.shown.has(each.label))) ui.shown = new Set(all.slice(-kMostColumns).map((each) => each.label));
  const place = el("div"), chosen = el("summary");
  function draw() {
    const shown = all.filter((each) => ui.shown.has(each.label)), marks = [];
    const wanted = ui.filter.trim().toLowerCase();
    const rows = resultRows().filter((row) => (ui.members || row.depth === 0) &&
      (row.task + "@" + row.convention + " " + row.metric).toLowerCase().includes(wanted));
    chosen.textContent = `Checkpoints: ${shown.length} of ${all.length} shown`;
    const columns = [
      {title: "Task", first: true, value: (row) => row.task, cell: taskName,
       style: (row, sorted) => !sorted && row.depth ? `padding-left:${row.depth * 1.1}rem` : null},
      {title: "Shots", number: true, value: (row) => row.shots},
      {title: "Metric", value: (row) => row.metric,
       cell: (row) => [row.metric, row.filter !== "none" && el("span", {class: "small"}, ", " + row.filter), row.higher_is_better === false && el("span", {class: "small"}, " ↓")]},
      {title: "Items", number: true, value: (row) => row.n, cell: (row) => count(row.n)},
      ...shown.map((each) => ({title: each.label, number: true, value: (row) => row.cells.get(each.label)?.value,
        cell: (row) => valueCell(row, each.label), kind: (row) => isBest(row, each.label, shown) && "best"})),
      ...models.map((model) => ({title: model, number: true, headClass: "baseline", kind: () => "baseline", hint: "published", value: (row) => baselineOf(row, model)?.value,
        cell: (row) => baselineCell(row, model, marks)})),
    ];
    const table = sortableTable("Results: a row a task, a column a checkpoint; the best of the shown ones in bold", columns, rows, sortState("results"),
      (row) => ({class: row.group ? "group" : null}));
    const notes = [...new Set(rows.flatMap((row) => [row.group && `${row.task}@${row.convention}: mean over ${row.weighting}`, row.note && `${row.task}@${row.convention}: ${row.note}`]).filter(Boolean))];
    place.replaceChildren(rows.length ? scrolled(table, "Results") : el("p", {class: "empty"}, "No task matches the filter."),
      ...marks.map((mark, index) => el("p", {class: "note"}, el("sup", {}, index + 1), " ", mark)),
      ...(notes.length ? [el("details", {}, el("summary", {}, `Notes on tasks (${notes.length})`), el("ul", {class: "note"}, notes.map((note) => el("li", {}, note))))] : []));
  }
  const choice = el("details", {ontoggle: (event) => (ui.open.choice = event.target.open)}, chosen, el("div", {class: "choices"},
    all.map((each) => el("label", {}, el("input", {type: "checkbox", checked: ui.shown.has(each.label), onchange: (event) => {
      if (event.target.checked) ui.shown.add(each.label); else ui.shown.delete(each.label);
      draw();
    }}), " ", each.label))));
  choice.open = ui.open.choice || false;
  section.append(
    el("p", {class: "note"}, "Values with one standard error; fractions unless the metric has its own scale.",
      all.length > kMostColumns ? ` The latest ${kMostColumns} of ${all.length} checkpoints are shown at first.` : "",
      data.items ? " A value leads to its items." : ""),
    el("div", {class: "tools"},
      el("label", {}, "Filter tasks ", el("input", {type: "search", id: "filter", value: ui.filter, oninput: (event) => { ui.filter = event.target.value; draw(); }})),
      el("label", {}, el("input", {type: "checkbox", checked: ui.members, onchange: (event) => { ui.members = event.target.checked; draw(); }}), " tasks inside groups")),
    all.length > 1 ? choice : "", place);
  draw();
}

// ------------------------------------------------------------------------------------------------------------- curves

function curveCaption(curve) {
  const parts = [];
  if (curve.trend) {
    const better = (curve.trend.tau > 0) === curve.higher_is_better;
    parts.push(curve.trend.p < 0.05 ? `${better ? "getting better" : "getting worse"}, p ${small(curve.trend.p)}` : "no trend shown");
  }
  if (curve.noise) parts.push(`noise ${fixed(curve.noise.sd)}`);
  if (curve.change_points.length) parts.push("changes at " + curve.change_points.map((change) => count(change.x)).join(", "));
  return parts.join("; ");
}

function pointsTable(curve, unit) {
  return el("table", {}, el("caption", {class: "hidden"}, `${curve.task}, ${curve.metric}`),
    el("thead", {}, el("tr", {}, [unit, "value", "95 % interval", "items"].map((title) => el("th", {scope: "col", class: "number"}, title)))),
    el("tbody", {}, curve.points.map((point) => el("tr", {}, [count(point.x), fixed(point.value), point.ci95 ? point.ci95.map((each) => fixed(each)).join(" to ") : "–", count(point.n)]
      .map((text) => el("td", {class: "number"}, text))))));
}

// A table that is made when it is first opened.
function onDemand(title, make) {
  const details = el("details", {}, el("summary", {}, title));
  details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(make()); });
  return details;
}

function curvesSection(section) {
  const set = data.curves, several = new Set(set.curves.map((curve) => curve.series)).size > 1, grid = el("div", {class: "curves"}), rest = el("p", {class: "note"});
  const members = set.curves.some((curve) => curve.depth > 0);
  function draw() {
    const wanted = ui.curveFilter.trim().toLowerCase();
    const curves = set.curves.filter((curve) => (ui.curveMembers || curve.depth === 0) && `${curve.task}@${curve.convention} ${curve.metric} ${curve.series}`.toLowerCase().includes(wanted));
    grid.replaceChildren(...curves.slice(0, kMostCurves).map((curve) => el("figure", {"data-task": curve.task}, picture(curve.svg),
      el("figcaption", {}, several && [curve.series, el("br")], curveCaption(curve)), onDemand("Values", () => pointsTable(curve, set.x)))));
    rest.textContent = curves.length > kMostCurves ? `${curves.length - kMostCurves} more curves: narrow the filter to see them.` : curves.length ? "" : "No curve matches the filter.";
  }
  section.append(el("p", {class: "note"}, `Band: 95 % interval. Noise: standard deviation of one checkpoint about its neighbours. Dotted verticals: changes of slope. `,
    `Significant drops: ${set.warnings.length} in ${set.pairs_tested} comparisons (Benjamini-Hochberg, 5 %).`));
  if (set.warnings.length) section.append(el("ul", {class: "warnings"}, set.warnings.map((warning) => el("li", {}, warning.sentence))));
  section.append(el("div", {class: "tools"},
    el("label", {}, "Filter curves ", el("input", {type: "search", id: "curve-filter", value: ui.curveFilter, oninput: (event) => { ui.curveFilter = event.target.value; draw(); }})),
    members ? el("label", {}, el("input", {type: "checkbox", id: "curve-members", checked: ui.curveMembers, onchange: (event) => { ui.curveMembers = event.target.checked; draw(); }}), " tasks inside groups") : ""), grid, rest);
  draw();
}

function fitsSection(section) {
  section.append(el("p", {class: "note"}, "Least squares of ln L on compute, L(C) = E + A C^−α. The band is the law's 95 % interval; one more run scatters further, as the predictions say. ",
    "Checkpoints of one training run are neighbours in time: trust the band only as far as the residuals look like noise."));
  section.append(el("div", {class: "curves"}, data.fits.map((fit) => el("figure", {}, picture(fit.svg), el("figcaption", {},
    `α = ${fixed(fit.exponent)} ±${fixed(fit.exponent_stderr)}, `, isNumber(fit.irreducible) ? `E = ${fixed(fit.irreducible)} ±${fixed(fit.irreducible_stderr)}` : "no irreducible term", `, residuals ${(100 * fit.residual_sd).toFixed(2)} %`),
    fit.predictions.length ? el("table", {}, el("caption", {class: "hidden"}, "Predictions"), el("thead", {}, el("tr", {}, ["FLOPs", "beyond", "predicted", "one run, 95 %"].map((title) => el("th", {scope: "col", class: "number"}, title)))),
      el("tbody", {}, fit.predictions.map((each) => el("tr", {}, [each.compute.toExponential(1), each.beyond.toPrecision(2) + "×", fixed(each.value), each.ci95_new.map((value) => fixed(value)).join(" to ")].map((text) => el("td", {class: "number"}, text)))))) : ""))));
}

// -------------------------------------------------------------------------------------------------------- comparisons

const kVerdicts = {better: "▲ better", worse: "▼ worse", no_difference_shown: "no difference shown", too_few_items: "too few items", not_tested: "not tested"};

function flipsCell(comparison, row) {
  const flips = row.flips;
  let text = "";
  if (isNumber(flips)) text = count(flips);
  else if (Array.isArray(flips)) text = flips.map(count).join(" / ");
  else if (flips && isNumber(flips.a_better) && isNumber(flips.b_better)) text = `${count(flips.a_better)} / ${count(flips.b_better)}`;
  else if (flips && typeof flips === "object") text = Object.entries(flips).filter(([, value]) => isNumber(value)).map(([key, value]) => `${count(value)} ${key}`).join(", ");
  if (row.flipped && row.flipped.length) {
    return onDemand(text || count(row.flipped.length), () => el("ul", {class: "note"}, row.flipped.map((flip) => el("li", {}, flip.item, ": ", verdictWord(flip.a), " → ", verdictWord(flip.b)))));
  }
  const runs = row.runs || comparison.runs;
  const address = text && runs && itemsAddress({run: runs[0], against: runs[1], task: row.task, convention: row.convention, verdict: "flip"});
  return address ? el("a", {href: address}, text) : text;
}

const verdictWord = (value) => (isNumber(value) ? (value > 0 ? "✓" : "✗") : String(value ?? "–"));

function comparisonsSection(section) {
  data.comparisons.forEach((comparison, index) => {
    const [low, high] = scaleOf(comparison.rows, (row) => row.difference), marks = [];
    const columns = [
      {title: "Task", first: true, value: (row) => row.task, cell: taskName},
      {title: "Metric", value: (row) => row.metric},
      {title: "A", number: true, hint: comparison.a, value: (row) => row.a, cell: (row) => fixed(row.a)},
      {title: "B", number: true, hint: comparison.b, value: (row) => row.b, cell: (row) => fixed(row.b)},
      {title: "A − B", number: true, value: (row) => row.difference, cell: (row) => signed(row.difference)},
      {title: "95 % interval", plain: true, value: () => "", cell: (row) => [interval(row.difference, row.ci95, low, high, false), row.ci95 ? el("span", {class: "small"}, ` ${signed(row.ci95[0], 3)} to ${signed(row.ci95[1], 3)}`) : ""], kind: () => "whole"},
      {title: "p", number: true, value: (row) => row.p, cell: (row) => small(row.p)},
      {title: "q", number: true, hint: "p after Benjamini-Hochberg over all rows", value: (row) => row.q, cell: (row) => small(row.q)},
      {title: "Flips", number: true, value: (row) => (isNumber(row.flips) ? row.flips : null), cell: (row) => flipsCell(comparison, row)},
      {title: "Smallest visible", number: true, hint: "difference that would be shown with 80 % power", value: (row) => row.mde80, cell: (row) => fixed(row.mde80)},
      {title: "Verdict", value: (row) => row.verdict, cell: (row) => {
        for (const mark of row.marks || []) if (!marks.includes(mark)) marks.push(mark);
        return [el("span", {class: "verdict " + row.verdict}, kVerdicts[row.verdict] || row.verdict), (row.marks || []).length ? el("sup", {}, row.marks.map((mark) => marks.indexOf(mark) + 1).join(",")) : ""];
      }},
      {title: "Test", value: (row) => row.test, kind: () => "whole", cell: (row) => el("span", {class: "small"}, row.test)},
    ];
    section.append(el("h3", {}, "A: ", comparison.a, el("span", {class: "dim"}, " against "), "B: ", comparison.b));
    section.append(scrolled(sortableTable(`${comparison.a} against ${comparison.b}`, columns, comparison.rows, sortState("comparison" + index)), `${comparison.a} against ${comparison.b}`));
    section.append(...marks.map((mark, number) => el("p", {class: "note"}, el("sup", {}, number + 1), " ", mark)));
  });
}

// ------------------------------------------------------------------------------------------------------------- audits

const kAuditWords = {decorated: "decorated: the gain is exam technique", not_shown: "technique not shown", too_few: "too few items to say"};

function auditsSection(section) {
  data.audits.forEach((audit, index) => {
    const [low, high] = scaleOf(audit.tests.filter((test) => test.unit === "points"), (test) => test.effect);
    const columns = [
      {title: "Test", first: true, value: (test) => test.name, cell: (test) => [test.name, test.language && el("span", {class: "small"}, " " + test.language)]},
      {title: "Effect and 95 % interval", plain: true, value: () => "", cell: (test) => test.unit !== "points" ? "" : interval(test.effect, test.ci95, low, high, test.found)},
      {title: "Effect", number: true, value: (test) => test.effect, cell: (test) => [signed(test.effect), test.unit === "points" ? "" : ` ${test.unit}`, test.ci95 && el("span", {class: "small"}, ` [${signed(test.ci95[0], 3)}, ${signed(test.ci95[1], 3)}]`)]},
      {title: "p", number: true, value: (test) => test.p, cell: (test) => small(test.p)},
      {title: "Items", number: true, value: (test) => test.n, cell: (test) => count(test.n)},
      {title: "Finding", value: (test) => test.found, cell: (test) => test.found ? el("span", {class: "verdict decorated"}, "● technique") : test.contamination ? "● contamination" : ""},
      {title: "Null and evidence", plain: true, value: () => "", kind: () => "long", cell: (test) => [test.what, test.what && test.null && el("br"), test.null && el("span", {class: "small"}, "null: " + test.null)]},
    ];
    section.append(el("h3", {}, audit.checkpoint, audit.against ? [el("span", {class: "dim"}, " against "), audit.against] : "", " ",
      el("span", {class: "verdict " + audit.verdict}, "— ", kAuditWords[audit.verdict] || audit.verdict)));
    if (audit.sentence) section.append(el("p", {}, audit.sentence));
    section.append(scrolled(sortableTable("Audit of " + audit.checkpoint, columns, audit.tests, sortState("audit" + index)), "Audit of " + audit.checkpoint));
  });
}

// ------------------------------------------------------------------------------------------- judges, runs, what is left

// Rows of plain values: every key is a column.
function judgesSection(section) {
  const keys = [...new Set(data.judges.flatMap((row) => Object.keys(row)))];
  const text = (value) => (isNumber(value) ? (Number.isInteger(value) ? count(value) : fixed(value)) : Array.isArray(value) ? value.map(text).join(" to ") : value === null || value === undefined ? "–" : String(value));
  const columns = keys.map((key, index) => ({title: key.replaceAll("_", " "), first: index === 0, number: data.judges.some((row) => isNumber(row[key])), value: (row) => row[key], cell: (row) => text(row[key])}));
  section.append(scrolled(sortableTable("Judge hygiene", columns, data.judges, sortState("judges")), "Judge hygiene"));
}

function facts(values) {
  return el("dl", {}, Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "").flatMap(([key, value]) =>
    [el("dt", {}, key.replaceAll("_", " ")), el("dd", {}, el("code", {}, typeof value === "object" ? JSON.stringify(value) : String(value)))]));
}

function runState(run) {
  if (run.complete) return "complete";
  if (!run.requests) return el("span", {class: "missing verdict"}, "incomplete");
  return [el("progress", {max: run.requests, value: run.answered, "aria-label": "Requests answered"}), ` ${count(run.answered)} of ${count(run.requests)} requests`];
}

function runsSection(section) {
  const stats = (run) => run.stats || {};
  const speed = (run) => (stats(run).seconds > 0 ? Math.round(stats(run).computed_tokens / stats(run).seconds) : null);
  const columns = [
    {title: "Checkpoint", first: true, value: (run) => run.checkpoint},
    {title: "Run", number: true, value: (run) => run.run},
    {title: "Step", number: true, value: (run) => run.step, cell: (run) => count(run.step)},
    {title: "State", value: (run) => (run.complete ? 1 : 0), cell: runState},
    {title: "Started (UTC)", kind: () => "whole", value: (run) => run.started, cell: (run) => run.started.replace("T", " ").replace("Z", "")},
    {title: "Seconds", number: true, value: (run) => stats(run).seconds, cell: (run) => fixed(stats(run).seconds, 1)},
    {title: "Tokens computed", number: true, value: (run) => stats(run).computed_tokens, cell: (run) => count(stats(run).computed_tokens)},
    {title: "of requested", number: true, value: (run) => stats(run).computed_tokens / stats(run).requested_tokens,
     cell: (run) => (stats(run).requested_tokens ? (100 * stats(run).computed_tokens / stats(run).requested_tokens).toFixed(1) + " %" : "–")},
    {title: "Tokens/s", number: true, value: speed, cell: (run) => count(speed(run))},
    {title: "Facts", plain: true, kind: () => "whole", value: () => "", cell: (run) => onDemand("Settings, hashes, software", () => facts({...run.settings, model: run.model, numerics: run.numerics, weights_hash: run.weights_hash, tokenizer_hash: run.tokenizer_hash, software: run.software, finished: run.finished}))},
  ];
  section.append(scrolled(sortableTable("Runs", columns, data.runs, sortState("runs")), "Runs"));
}

function leftOutSection(section) {
  section.append(el("ul", {class: "note"}, data.left_out.map((line) => el("li", {}, line))));
}

// ------------------------------------------------------------------------------------------------------------ the page

const kSections = [
  ["results", "Results", () => data.results?.length, resultsSection],
  ["curves", "Curves", () => data.curves?.curves?.length, curvesSection],
  ["fits", "Scaling", () => data.fits?.length, fitsSection],
  ["comparisons", "Comparisons", () => data.comparisons?.length, comparisonsSection],
  ["audits", "Audit", () => data.audits?.length, auditsSection],
  ["judges", "Judges", () => data.judges?.length, judgesSection],
  ["runs", "Runs", () => data.runs?.length, runsSection],
  ["left-out", "Not on this page", () => data.left_out?.length, leftOutSection],
];

function drawPage() {
  const shown = kSections.filter(([, , present]) => present());
  document.getElementById("facts").textContent = [data.runs && `${data.runs.length} runs`, data.database, data.software, data.generated].filter(Boolean).join(" · ");
  document.getElementById("contents").replaceChildren(...shown.map(([id, title]) => el("a", {href: "#" + id}, title)), ...(data.items ? [el("a", {href: data.items}, "Items")] : []));
  document.getElementById("content").replaceChildren(...shown.map(([id, title, , draw]) => {
    const section = el("section", {id, "aria-labelledby": id + "-title"}, el("h2", {id: id + "-title"}, title));
    draw(section);
    return section;
  }), ...(shown.length ? [] : [el("p", {class: "empty"}, "No results yet.")]));
}

// News: the state is one short text that changes with the database. The focus stays where it was.
async function watch() {
  const status = document.getElementById("status");
  let last = null;
  for (;;) {
    try {
      const state = await (await fetch("state")).text();
      if (last !== null && state !== last) {
        data = await (await fetch("data")).json();
        const focused = document.activeElement?.id, top = window.scrollY;
        drawPage();
        if (focused) document.getElementById(focused)?.focus();
        window.scrollTo(0, top);
        status.textContent = "Updated " + new Date().toLocaleTimeString();
      }
      last = state;
    } catch {
      status.textContent = "The server does not answer; the page shows what was there last.";
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

drawPage();
if (kLive) watch();
