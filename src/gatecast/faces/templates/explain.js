"use strict";
// Steps through days and units of one recurrent layer: fills the drawing and the equations with its numbers.
addEventListener("DOMContentLoaded", () => {
  const data = JSON.parse(document.getElementById("cell-data").textContent);
  const at = (id) => document.getElementById(id);
  const day = at("day"), unit = at("unit");
  const size = (value, places = 3) => Math.abs(value).toFixed(places);
  const below = (value, places = 3) => value < 0 && Number(size(value, places)) > 0; // what rounds to 0 has no sign
  const show = (value, places = 3) => (below(value, places) ? "−" : "") + size(value, places);
  const percent = (value) => (value > 0 && value < 0.01 ? "under 1" : Math.round(100 * value)) + "%";
  const term = (value, what) => `<abbr title="${what}">${show(value)}</abbr>`;
  const plus = (value, what) => (below(value) ? " − " : " + ") + `<abbr title="${what}">${size(value)}</abbr>`;
  const LETTER = { forget_gate: "f", input_gate: "i", output_gate: "o", candidate: "g", reset_gate: "r", update_gate: "z" };
  const STATE = data.kind === "lstm" ? "cell_state" : "hidden";

  // The numbers of a day and unit.
  const read = (t, j) => {
    const value = (name) => data.values[name][t][j];
    const before = t ? data.values[STATE][t - 1][j] : data.before[j];
    const parts = (gate) => [data.fromInputs[gate][t][j], data.fromHidden[gate][t][j], data.bias[gate][j], data.hiddenBias[gate][j]];
    return { value, before, parts };
  };

  const gateText = (name, now) => {
    const [inputs, hidden, bias, hiddenBias] = now.parts(name);
    const squash = name.endsWith("gate") ? "σ" : "tanh";
    const total = inputs + hidden + bias + hiddenBias;
    return `${squash}(${term(inputs, "from today's inputs")}${plus(hidden, "from yesterday's hidden state")}${plus(bias + hiddenBias, "bias")}) = ${squash}(${show(total)}) = <b>${show(now.value(name))}</b>`;
  };

  const worked = (name, now) => {
    if (name === "cell_state")
      return `${term(now.value("forget_gate"), "forget gate")} × ${term(now.before, "yesterday's cell state")} + ${term(now.value("input_gate"), "input gate")} × ${term(now.value("candidate"), "candidate")} = <b>${show(now.value("cell_state"))}</b>`;
    if (name === "hidden" && data.kind === "lstm")
      return `${term(now.value("output_gate"), "output gate")} × tanh(${term(now.value("cell_state"), "cell state")}) = <b>${show(now.value("hidden"))}</b>`;
    if (name === "hidden" && data.kind === "gru")
      return `(1 − ${term(now.value("update_gate"), "update gate")}) × ${term(now.value("candidate"), "candidate")} + ${term(now.value("update_gate"), "update gate")} × ${term(now.before, "yesterday's hidden state")} = <b>${show(now.value("hidden"))}</b>`;
    if (name === "candidate" && data.kind === "gru") {
      const [inputs, hidden, bias, hiddenBias] = now.parts(name);
      return `tanh(${term(inputs, "from today's inputs")}${plus(bias, "bias")} + ${term(now.value("reset_gate"), "reset gate")} × ${term(hidden + hiddenBias, "from yesterday's hidden state")}) = <b>${show(now.value(name))}</b>`;
    }
    return gateText(name, now);
  };

  const here = (name, now) => {
    const value = now.value(name);
    if (name === "forget_gate") return `Here ${percent(value)} is kept: ${show(now.before)} becomes ${show(value * now.before)}.`;
    if (name === "update_gate") return `Here ${percent(value)} is kept.`;
    if (name === "input_gate" || name === "reset_gate") return `Here ${percent(value)}.`;
    if (name === "candidate") return Number(size(value)) ? `Here it is ${value > 0 ? "positive" : "negative"}.` : "Here it is close to zero.";
    if (name === "cell_state") return `Here from ${show(now.before)} to ${show(value)}.`;
    if (name === "output_gate") return `Here ${percent(value)}.`;
    return "";
  };

  const drawing = (now) => {
    at("svg-before").textContent = show(now.before);
    at("svg-kept").textContent = "keeps " + show(now.value("forget_gate") * now.before);
    at("svg-added").textContent = "adds " + show(now.value("input_gate") * now.value("candidate"));
    for (const name of ["cell_state", "hidden", "forget_gate", "input_gate", "candidate", "output_gate"])
      at("svg-" + name).textContent = show(now.value(name));
    for (const name of ["forget_gate", "input_gate", "candidate", "output_gate"]) {
      const height = 66 * Math.abs(now.value(name));
      at("level-" + name).setAttribute("y", 283 - height);
      at("level-" + name).setAttribute("height", height);
    }
  };

  const bars = (row) => {
    const widest = Math.max(3, ...row.map(Math.abs));
    at("inputs").innerHTML = row.map((value, i) => {
      const half = (50 * Math.abs(value)) / widest;
      const side = value < 0 ? `right:50%" class="minus` : "left:50%";
      return `<span>${data.features[i]}</span><i><u style="width:${half}%;${side}"></u></i><b>${show(value, 2)}</b>`;
    }).join("");
  };

  const spark = (t, j) => {
    const values = data.values[STATE].map((row) => row[j]);
    const top = Math.max(...values, 0), low = Math.min(...values, 0), high = Math.max(top - low, 0.001);
    const x = (i) => (480 * i) / Math.max(values.length - 1, 1), y = (value) => 4 + (82 * (top - value)) / high;
    at("spark-line").setAttribute("d", "M" + values.map((value, i) => `${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("L"));
    at("spark-now").setAttribute("d", `M${x(t)} ${y(values[t])}h0`);
    for (const end of ["y1", "y2"]) at("spark-zero").setAttribute(end, y(0));
  };

  const render = () => {
    const t = Number(day.value), j = Number(unit.value), now = read(t, j);
    at("day-value").textContent = `${data.days[t]} · close ${data.close[t]}`;
    at("unit-value").textContent = `${j + 1} of ${Number(unit.max) + 1}`;
    for (const step of document.querySelectorAll(".cell-steps li")) {
      const name = step.id.slice(5);
      step.querySelector(".worked").innerHTML = worked(name, now);
      step.querySelector(".here").textContent = here(name, now);
    }
    if (at("svg-before")) drawing(now);
    bars(data.inputs[t]);
    spark(t, j);
    mark();
  };

  // The chosen day and unit in the chart of all units.
  const chart = document.querySelector('[data-figure="states"]');
  const mark = () => {
    if (!chart.dataset.drawn) return;
    const colour = getComputedStyle(chart).getPropertyValue("--ink");
    const line = { color: colour, width: 1.2 };
    const x = data.axis[day.value], row = Number(unit.value) + 1;
    const shapes = [{ type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 0.965, line: { ...line, dash: "dot" } }];
    chart.data.forEach((trace) => {
      if (trace.type === "heatmap")
        shapes.push({ type: "rect", xref: "paper", yref: trace.yaxis, x0: 0, x1: 1, y0: row - 0.5, y1: row + 0.5, line });
    });
    Plotly.relayout(chart, { shapes });
  };
  const readOut = (event) => {
    const point = event.points.find((point) => point.data.type === "heatmap") || event.points[0];
    const t = data.axis.indexOf(String(point.x).slice(0, data.axis[0].length).replace(" ", "T"));
    if (t < 0) return [];
    const j = point.data.type === "heatmap" ? point.y - 1 : Number(unit.value);
    const now = read(t, j);
    const gates = Object.keys(data.values).map((name) => `${name.replace("_", " ")} <b>${show(now.value(name))}</b>`);
    at("readout").innerHTML = `<b>${data.days[t]}</b>, close <b>${data.close[t]}</b>, unit <b>${j + 1}</b>: ${gates.join(", ")}`;
    return [t, j];
  };
  new MutationObserver(() => {
    if (!chart.listens) {
      chart.listens = true;
      chart.on("plotly_hover", readOut);
      chart.on("plotly_click", (event) => {
        const [t, j] = readOut(event);
        if (t === undefined) return;
        day.value = t;
        unit.value = j;
        render();
      });
    }
    mark();
  }).observe(chart, { attributes: true, attributeFilter: ["data-drawn"] });

  const step = (range, by) => () => { range.value = Number(range.value) + by; render(); };
  for (const [name, range] of [["day", day], ["unit", unit]]) {
    range.addEventListener("input", render);
    at(name + "-back").addEventListener("click", step(range, -1));
    at(name + "-on").addEventListener("click", step(range, 1));
  }
  render();
});
