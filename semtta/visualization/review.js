const segments = [...document.querySelectorAll(".segment")];
const columns = ["video", "start", "stop", "label", "proposed", "description", "source", "clip_score", "reason"];
const value = (s) => s.querySelector("input").value.trim() || "None";
// A cell that a spreadsheet would take for a formula; numbers are not.
const defused = (text) => /^[=+\-@\t\r]/.test(text) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? "'" + text : text;
const quote = (text) => /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
function csv() {
  const rows = segments.map((s) => columns.map((c) => quote(defused(c === "label" ? value(s) : s.dataset[c]))).join(","));
  return [columns.join(","), ...rows].join("\n") + "\n";
}
function refresh() {
  for (const s of segments) s.classList.toggle("changed", value(s) !== s.dataset.proposed);
  const n = segments.filter((s) => s.classList.contains("changed")).length;
  document.getElementById("count").textContent = n ? n + " changed" : "nothing changed";
}
document.addEventListener("input", refresh);
document.getElementById("only").addEventListener("change", (e) => document.body.classList.toggle("only", e.target.checked));
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "review.csv";
  link.click();
});
