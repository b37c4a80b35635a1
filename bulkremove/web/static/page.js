// Times are shown in the browser's zone and manner; what the server wrote stays where this does not run.
const startOfDay = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate());
function showTime(element) {
  const at = new Date(element.dateTime), now = new Date();
  const days = Math.round((startOfDay(at) - startOfDay(now)) / 864e5);
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
  const date = { day: "numeric", month: "short", ...(at.getFullYear() !== now.getFullYear() && { year: "numeric" }) };
  element.title = at.toLocaleString([], { dateStyle: "full", timeStyle: "long" });
  element.textContent = `${near ?? at.toLocaleDateString([], date)} ${at.toLocaleTimeString([], { timeStyle: "short" })}`;
}
// On a phone the cells of a row stand below each other, each with the heading of its column.
function nameCells(table) {
  const headings = [...table.querySelectorAll("thead th")].map((heading) => heading.textContent);
  table.classList.add("stack");
  for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, place) => { cell.dataset.label = headings[place]; });
}
// The removal's button is enabled when the number typed is the plan's; the server checks it again.
function askForNumber(field) {
  const button = field.form.querySelector("button");
  const look = () => { button.disabled = field.value.replaceAll(",", "").trim() !== field.dataset.wanted; };
  field.addEventListener("input", look);
  field.form.addEventListener("submit", () => { button.disabled = true; });
  look();
}
// The tab says how a job stands: its title and its icon follow the live numbers.
function dress(part) {
  for (const time of part.querySelectorAll("time[datetime]")) showTime(time);
  for (const table of part.querySelectorAll(".scroll table")) nameCells(table);
  for (const field of part.querySelectorAll("input[data-wanted]")) askForNumber(field);
  const tab = part.matches("[data-title]") ? part : part.querySelector("[data-title]");
  if (!tab) return;
  document.title = tab.dataset.title;
  document.querySelector("link[rel=icon]").href = `/static/${tab.dataset.icon}.svg`;
}
dress(document.body);
document.body.addEventListener("htmx:load", (event) => dress(event.detail.elt));
// A time that is typed is one of the browser's zone; the server is told the moment.
for (const field of document.querySelectorAll("input[type=datetime-local]")) {
  field.form.addEventListener("formdata", ({ formData }) => {
    if (field.value) formData.set(`${field.name}_at`, new Date(field.value).toISOString());
  });
}
// Beside a column that is chosen stand its first values.
for (const choice of document.querySelectorAll("select[data-samples]")) {
  choice.addEventListener("change", () => {
    choice.nextElementSibling.textContent = choice.selectedOptions[0].dataset.values ?? "";
  });
}
// The menu closes as menus do.
const menu = document.querySelector("details.who");
document.addEventListener("click", (event) => { if (menu && !menu.contains(event.target)) menu.open = false; });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu?.open) { menu.open = false; menu.querySelector("summary").focus(); }
});
// A file dropped on the page is as good as one that was picked.
const form = document.querySelector("form.drop");
if (form) {
  const file = form.querySelector("input[type=file]");
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("dragged");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragged"); });
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dragged");
    if (event.dataTransfer.files.length === 1) { file.files = event.dataTransfer.files; form.requestSubmit(); }
    else say("One file at a time: drop the next one when you have seen the plan of the first.");
  });
  const sending = form.querySelector(".sending"), bar = sending.querySelector("progress"), words = sending.querySelector("p");
  const say = (text) => { sending.hidden = false; bar.hidden = true; words.textContent = text; };
  // How much of a file has been sent; then the page goes where the server says.
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = new FormData(form), button = form.querySelector("button"), name = file.files[0].name;
    const fail = (text) => { button.disabled = false; say(text); };
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (step) => {
      bar.value = step.loaded / step.total;
      words.textContent = `${Math.floor(100 * bar.value)} % of ${name} sent`;
    });
    request.upload.addEventListener("load", () => { bar.removeAttribute("value"); words.textContent = `${name} is being read`; });
    request.addEventListener("load", () => {
      const end = new URL(request.responseURL);
      if (end.pathname !== "/uploads") location.assign(end);
      else fail(new DOMParser().parseFromString(request.responseText, "text/html").querySelector("[role=alert]")?.textContent
        ?? request.responseText);
    });
    request.addEventListener("error", () => fail("The file could not be sent. Choose it again and try once more."));
    request.open("POST", form.action);
    sending.hidden = bar.hidden = false;
    button.disabled = true;
    request.send(body);
  });
}
// When the live numbers stop coming, the page says so, and shows the present once the server answers again.
const stale = document.getElementById("stale");
if (stale) {
  let watch = 0;
  document.body.addEventListener("htmx:sseError", () => {
    stale.hidden = false;
    watch ||= setInterval(() => { fetch("/healthz").then((answer) => answer.ok && location.reload(), () => {}); }, 3000);
  });
  document.body.addEventListener("htmx:sseOpen", () => { stale.hidden = true; clearInterval(watch); watch = 0; });
}
