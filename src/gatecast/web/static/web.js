"use strict";
// What the pages do beyond links and forms: files that are dropped, figures that arrive, progress that is spoken.
(() => {
  // A file that is dropped anywhere on the zone, or pasted into it, is sent as if it had been chosen.
  for (const zone of document.querySelectorAll("[data-drop]")) {
    const field = zone.querySelector("input[type=file]");
    const over = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
    const send = () => {
      if (!field.files.length) return;
      zone.querySelector("[data-said]").textContent = `Reading ${field.files[0].name} …`;
      field.form.requestSubmit();
    };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      if (!event.dataTransfer.files.length) return;
      field.files = event.dataTransfer.files;
      send();
    });
    field.addEventListener("change", send);
  }
  // A file that misses the zone must not replace the page.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

  // A form is sent once.
  addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.matches("[hx-get]")) return;
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
  });

  // Parts that htmx brings: their figures are drawn; a phase or a tenth that is new is spoken.
  const spoken = document.getElementById("spoken");
  document.addEventListener("htmx:afterSettle", () => {
    document.dispatchEvent(new Event("figures"));
    const said = document.querySelector("[data-spoken]")?.dataset.spoken;
    if (spoken && said && spoken.textContent !== said) spoken.textContent = said;
  });

  // The link to a page, as it is seen from here.
  for (const part of document.querySelectorAll("[data-share]")) {
    const [field, button] = [part.querySelector("input"), part.querySelector("button")];
    field.value = new URL(part.dataset.share, location.href).href;
    field.addEventListener("focus", () => field.select());
    button.addEventListener("click", async () => {
      field.select();
      try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
      button.textContent = "Copied";
    });
  }

  // A menu closes with Escape and where something else is pressed.
  const menus = () => document.querySelectorAll("details.menu[open]");
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  addEventListener("click", (event) => { for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false; });

  // A choice that sends its form at once.
  for (const field of document.querySelectorAll("[data-send]"))
    field.addEventListener("change", () => field.form.requestSubmit());
})();
