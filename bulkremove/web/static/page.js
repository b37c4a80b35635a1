// The removal's button is enabled when the number typed is the plan's; the server checks it again.
for (const field of document.querySelectorAll("input[data-wanted]")) {
  const button = field.form.querySelector("button");
  const look = () => { button.disabled = field.value.replaceAll(",", "").trim() !== field.dataset.wanted; };
  field.addEventListener("input", look);
  field.form.addEventListener("submit", () => { button.disabled = true; });
  look();
}
// A file dropped on the form is as good as one that was picked.
for (const form of document.querySelectorAll("form.drop")) {
  const file = form.querySelector("input[type=file]");
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files.length === 1) { file.files = event.dataTransfer.files; form.requestSubmit(); }
  });
}
// When the live numbers stop coming, the page says so.
const stale = document.getElementById("stale");
if (stale) {
  document.body.addEventListener("htmx:sseError", () => { stale.hidden = false; });
  document.body.addEventListener("htmx:sseOpen", () => { stale.hidden = true; });
}
