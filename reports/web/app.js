/* Keys on the grading page, points from ticked items, filters that apply at once, the live view. Every page works without it. */
(() => {
  const typing = (e) => e && /^(input|textarea|select)$/i.test(e.tagName) && !/^(checkbox|radio|submit|button)$/i.test(e.type);
  document.querySelectorAll("form[data-auto] select").forEach((s) => s.addEventListener("change", () => s.form.requestSubmit()));
  document.querySelectorAll("[data-confirm]").forEach((b) => b.addEventListener("click", (e) => { if (!confirm(b.dataset.confirm)) e.preventDefault(); }));

  const live = document.querySelector("[data-live]");
  if (live) {
    const source = new EventSource(live.dataset.live);
    source.addEventListener("batch", (e) => { live.innerHTML = e.data; });
  }

  const page = document.querySelector("[data-grading]"), form = document.getElementById("mark");
  if (!page || !form) return;
  const points = form.elements.points, boxes = [...form.querySelectorAll("[data-key]")], items = [...form.querySelectorAll("[data-points]")];
  const most = Number(points.dataset.most);
  let dirty = false, sent = false;
  const sum = () => {
    if (!items.length) return;
    const total = items.reduce((t, b) => t + (b.checked ? Number(b.dataset.points) : 0), 0);
    points.value = String(Math.round(Math.min(most, Math.max(0, total)) * 100) / 100);
  };
  items.forEach((b) => b.addEventListener("change", sum));
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("submit", (e) => { if (sent) e.preventDefault(); sent = true; });
  addEventListener("pageshow", () => { sent = false; });
  addEventListener("beforeunload", (e) => { if (dirty && !sent) e.preventDefault(); });
  const follow = (link) => { if (link) link.click(); };
  const conflict = document.getElementById("conflict");
  document.addEventListener("keydown", (e) => {
    if (conflict && e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const at = document.activeElement;
    if (e.key === "Escape" && typing(at)) { at.blur(); return; }
    if (e.key === "Enter" && !e.shiftKey && (at === form.elements.own || at === points || (at && at.matches("#mark [type=checkbox]")) || at === document.body)) {
      e.preventDefault();
      if (conflict) conflict.focus(); // whoever meant the next answer must not overwrite a colleague's points
      else form.requestSubmit();
      return;
    }
    if (typing(at)) return;
    const box = boxes.find((b) => b.dataset.key === e.key);
    if (box) { box.click(); dirty = true; }
    else if (e.key === "ArrowLeft") follow(page.querySelector(".keys [rel=prev]"));
    else if (e.key === "ArrowRight") follow(page.querySelector(".keys [rel=next]"));
    else if (e.key === ".") { points.focus(); points.select(); }
    else if (e.key === "x" && conflict) { dirty = false; follow(document.getElementById("leave")); }
    else if (e.key === "c") form.elements.own.focus();
    else if (e.key === "z") { const undo = document.getElementById("undo"); if (undo) { sent = true; undo.requestSubmit(); } else follow(document.getElementById("undo-last")); }
    else return;
    e.preventDefault();
  });
  const list = page.querySelector(".answer-list"), here = list.querySelector("[aria-current]");
  if (here) list.scrollTop = here.parentElement.offsetTop - list.clientHeight / 2;
})();
