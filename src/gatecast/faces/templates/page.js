"use strict";
// Draws each figure when it first becomes visible, and again when the page turns dark or light.
(() => {
  const darkColours = JSON.parse(document.getElementById("dark-colours").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 760px)");

  const recolour = (value, key) => {
    if (Array.isArray(value)) return value.map((part) => recolour(part, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, recolour(part, name)]));
    return typeof value === "string" && /color(s|scale)?$/i.test(key) && value in darkColours ? darkColours[value] : value;
  };

  // A key of plain text above the figure wraps on a phone, where Plotly's own legend does not.
  const plain = (text) => new DOMParser().parseFromString(text, "text/html").documentElement.textContent;
  const key = (box, data) => {
    const line = document.createElement("div");
    line.className = "key";
    const around = {}; // bands of a group overlap, so an inner band shows the colours of all around it
    for (const trace of data) {
      if (trace.showlegend === false) continue;
      const mark = document.createElement("i");
      const entry = document.createElement("span");
      const fills = (around[trace.legendgroup || ""] ||= []);
      if (trace.fill === "toself") fills.push(`linear-gradient(${trace.fillcolor},${trace.fillcolor})`);
      if (trace.fill === "toself") mark.style.background = fills.join(",");
      else if (trace.mode === "lines+markers") mark.style.borderColor = trace.line.color;
      else mark.style.background = trace.mode === "markers" || trace.type === "bar" ? trace.marker.color : trace.line.color;
      mark.className = trace.mode === "markers" ? "dot" : trace.mode === "lines+markers" ? "ring" : trace.fill || trace.type === "bar" ? "" : "line";
      entry.append(mark, plain(trace.name));
      line.append(entry);
    }
    if (!line.children.length) return;
    if (box.previousElementSibling?.className === "key") box.previousElementSibling.remove();
    box.before(line);
  };

  // Plotly's slider is replaced by a range input, which works with fingers and keyboards.
  const slide = (box, slider) => {
    if (!box.slider) {
      const label = document.createElement("label");
      const chosen = document.createElement("output");
      box.slider = document.createElement("input");
      Object.assign(box.slider, { type: "range", min: 0, max: slider.steps.length - 1, value: slider.active });
      label.className = "slide";
      label.append(slider.currentvalue.prefix, chosen, box.slider);
      box.after(label);
      box.slider.addEventListener("input", () => {
        const step = slider.steps[box.slider.value];
        chosen.textContent = step.label;
        Plotly.restyle(box, structuredClone(step.args[0]));
      });
    }
    box.slider.dispatchEvent(new Event("input"));
  };

  const draw = (box) => {
    const spec = JSON.parse(document.getElementById(box.dataset.figure).textContent);
    const { data, layout } = dark.matches ? recolour(spec, "") : spec;
    key(box, data);
    layout.showlegend = false;
    layout.margin.t = 12;
    layout.dragmode = false; // a finger that scrolls the page must not zoom the chart
    if (narrow.matches) {
      layout.font.size = 11;
      layout.xaxis.nticks = 5;
    }
    const slider = layout.sliders && layout.sliders[0];
    delete layout.sliders;
    Plotly.react(box, data, layout, { responsive: true, displayModeBar: false, doubleClick: false });
    if (slider) slide(box, slider);
    box.dataset.drawn = "yes";
    box.dispatchEvent(new Event("drawn"));
  };

  const shown = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
    }
  }, { rootMargin: "400px" });
  const boxes = () => [...document.querySelectorAll("[data-figure]")];
  const watch = () => boxes().forEach((box) => shown.observe(box));
  watch();
  document.addEventListener("figures", watch); // told by a page that parts were added to
  const again = () => boxes().filter((box) => box.dataset.drawn).forEach(draw);
  dark.addEventListener("change", again);
  narrow.addEventListener("change", again);
  // A printed page is not scrolled: what is not yet drawn is drawn before it is printed.
  addEventListener("beforeprint", () => boxes().filter((box) => box.offsetWidth && !box.dataset.drawn).forEach(draw));

  // The address after # names the item that is shown, so that a link or a reload keeps it.
  const items = [...document.querySelectorAll("[data-item]")];
  const picker = document.getElementById("picker");
  const show = () => {
    const wanted = items.find((item) => "#" + item.id === location.hash) || items[0];
    for (const item of items) item.hidden = item !== wanted;
    picker.value = wanted.id;
  };
  if (picker) {
    picker.addEventListener("change", () => { history.replaceState(null, "", "#" + picker.value); show(); });
    addEventListener("hashchange", show);
    show();
  }
})();
