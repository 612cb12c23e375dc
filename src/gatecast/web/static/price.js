"use strict";
// A price on the fan: dragged, moved by the arrow keys, or typed in the form, which then asks for its chances.
(() => {
  const digits = (like) => (like >= 100000 ? 0 : like >= 10 ? 2 : 4 - Math.floor(Math.log10(like)));

  for (const chart of document.querySelectorAll("[data-price]")) {
    const box = chart.querySelector("[data-figure]");
    const form = document.getElementById(chart.dataset.price);
    const field = form.querySelector("input[name=touch]");
    const last = Number(chart.dataset.last);
    const handle = chart.querySelector(".handle");
    const line = chart.querySelector(".handle-line");
    const axis = () => box._fullLayout.yaxis;
    const limits = () => [...axis().range].sort((a, b) => a - b);
    let price = Number(field.value) || last;

    const place = () => {
      if (!box._fullLayout) return;
      const [low, high] = limits();
      const inside = price >= low && price <= high;
      handle.hidden = line.hidden = !inside;
      const top = box.offsetTop + axis()._offset + axis().d2p(price);
      handle.style.top = line.style.top = `${top}px`;
      line.style.width = `${box.offsetWidth}px`;
      handle.textContent = price.toLocaleString("en", { minimumFractionDigits: digits(last), maximumFractionDigits: digits(last) });
      for (const [name, value] of [["min", low], ["max", high], ["now", price]])
        handle.setAttribute(`aria-value${name}`, value.toFixed(digits(last)));
    };
    const set = (value, ask) => {
      const [low, high] = limits();
      price = Math.min(Math.max(value, low), high);
      field.value = price.toFixed(digits(last));
      place();
      if (ask) form.requestSubmit();
    };

    handle.addEventListener("pointerdown", (event) => { handle.setPointerCapture(event.pointerId); handle.dataset.held = "yes"; });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.dataset.held) return;
      const top = event.clientY - box.getBoundingClientRect().top - axis()._offset;
      set(axis().p2d(top), false);
    });
    const release = () => { if (handle.dataset.held) { delete handle.dataset.held; form.requestSubmit(); } };
    handle.addEventListener("pointerup", release);
    handle.addEventListener("pointercancel", release);
    handle.addEventListener("keydown", (event) => {
      const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (!steps) return;
      event.preventDefault();
      const [low, high] = limits();
      set(price + (steps * (high - low)) / 100, true);
    });
    field.addEventListener("input", () => { price = Number(field.value) || last; place(); });
    box.addEventListener("drawn", () => { place(); box.on?.("plotly_afterplot", place); });
    addEventListener("resize", () => requestAnimationFrame(place));
  }
})();
